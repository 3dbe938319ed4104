"""The first look at a large cluster takes seconds; the lease is renewed meanwhile."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from podferry.controller.core.rescue.cluster import Book, Known
from podferry.controller.core.rescue.moves import Ledger
from podferry.controller.core.view import NodeView
from podferry.controller.runtime.rescue_warming import AT_ONCE, warm

NONE = Ledger((), {}, {}, {}, {})


def known(nodes: int) -> Known:
    names = [f"node-{number}" for number in range(nodes)]
    views = {name: NodeView(name, "", True, False, (), {}, 1, 0, None) for name in names}
    return Known(
        now=0.0, wall=datetime(2026, 1, 1, tzinfo=UTC), nodes=views, believed={}, doubts={},
        histories={}, pods={}, namespaces={}, migrations=(),
    )  # fmt: skip


async def turns(book: Book, of: Known) -> int:
    """How often another task of the loop ran meanwhile."""
    warming = asyncio.ensure_future(warm(book, of, NONE))
    count = 0
    while not warming.done():
        count += 1
        await asyncio.sleep(0)
    return count


async def test_others_get_their_turn_between_portions_of_nodes() -> None:
    assert await turns(Book(), known(10 * AT_ONCE)) >= 10


async def test_nodes_that_are_kept_are_not_made_again() -> None:
    book, of = Book(), known(10 * AT_ONCE)
    await warm(book, of, NONE)
    assert book.nodes == 10 * AT_ONCE
    assert await turns(book, of) <= 2
