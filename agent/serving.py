"""PostCopy of a pod that keeps its name: the memory is served twice.

The rehearsal and the pod that goes on are two containers, and a criu that serves pages serves each
of them once. So after the rehearsal the frozen source is dumped once more, and the second restore
fetches from that criu; the images of the first dump hold for both, because nothing ran between.

Owns: ending the first serving and beginning the second, at either end. Never does: thaw, or begin
a third.
"""

from __future__ import annotations

import contextlib
import os

from podferry.agent import files, operations, outgoing, pages
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.agent.node import Node
from podferry.agent.operations import Freeze

_AGAIN = pages.SECOND
"""Nothing of the first serving is left, what is found belongs to the second."""


def is_due(side: Side) -> bool:
    """Whether this source serves its memory twice."""
    return outgoing.is_lazy(side) and bool(side.params.get("sameName"))


def serve_again(node: Node, side: Side, freeze: Freeze) -> float:
    """At the frozen source: end the first serving, dump once more, serve. Safe to repeat.

    Returns the seconds of the second dump. Raises AgentError; the source is then as it was, frozen
    and not sealed, so it can be rolled back.
    """
    if not side.has(_AGAIN):
        operations.end_dump(node, side)
        _forget(side.folder, "dump.pid", "dump.rc", "dump.out", "status")
        files.write_text(f"{side.folder}/{_AGAIN}", "")
    return operations.dump_paused(node, side, freeze)


async def fetch_again(node: Node, side: Side) -> None:
    """At the target, the rehearsal killed: fetch from the second serving. Safe to repeat."""
    if not side.has(_AGAIN):
        await pages.stop(node, side)
        _forget(side.folder, *(f"lazy-pages.{kind}" for kind in ("pid", "rc", "out")))
        _forget(side.ram, "work/lazy-pages.socket")
        files.write_text(f"{side.folder}/{_AGAIN}", "")
    if pages.lazy_code(side):
        raise AgentError(
            "PagesLost",
            "criu lazy-pages ended before the workload was resumed; the source keeps its memory,"
            " frozen",
        )
    await pages.start_lazy(node, side)


def _forget(folder: str, *entries: str) -> None:
    for name in entries:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{folder}/{name}")
