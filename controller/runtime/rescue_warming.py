"""The first look at a large cluster, made in portions.

Owns only the pace: thirty thousand pods are made in seconds, and a leader must renew its lease
meanwhile. Later looks find most nodes made.
"""

from __future__ import annotations

import asyncio

from podferry.controller.core.rescue.cluster import Book, Known
from podferry.controller.core.rescue.moves import Ledger

AT_ONCE = 20
"""Nodes made before others of the event loop get their turn."""


async def warm(book: Book, known: Known, moves: Ledger) -> None:
    """Make the nodes of `known` unless most of them are kept in `book` already."""
    if 2 * book.nodes > len(known.nodes):
        return
    for number, view in enumerate(known.nodes.values(), 1):
        book.node(view, known, moves)
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
