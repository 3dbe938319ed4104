"""Memory for a checkpoint at the target: is there room, asked and taken before the freeze.

Owns: the sum that a move needs, the refusal with both numbers, the room made ready for the pages.
Never does: take memory that the node cannot spare.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from podferry.agent import seal
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.agent.node import Node
from podferry.agent.ops import ram
from podferry.runtime_wrapper.page_receiver import CHUNK, READY

_MIB = 1 << 20
SMALL_BYTES = 256 * _MIB
"""Limit for criu's small images and logs: of a source always, of a target before the
announcement. A limit, not a reservation: they take a few MiB."""
MARGIN_BYTES = 384 * _MIB
"""Kept free beside what was announced: criu restores 128 MiB at a time before it gives them back
(`--auto-dedup`), kubelet evicts below 100 MiB by default, and a workload may grow a little."""
_MAKING_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Expected:
    """What the source announced [bytes]: memory, and the files that travel beside it."""

    memory: int
    files: int


def hold(node: Node, side: Side, size: int = SMALL_BYTES) -> None:
    """See that this side's images lie in memory, with folders for each kind. Raises AgentError."""
    try:
        ram.hold(node.host, node.ram(side), size)
    except ram.RamFailed as error:
        raise AgentError(
            "NoRoomInMemory",
            f"no file system in memory for the checkpoint: {error}; see `mount` on this node",
        ) from error
    for name in ("images", "streams", "work"):
        os.makedirs(f"{side.ram}/{name}", mode=0o700, exist_ok=True)


def release(node: Node, side: Side) -> None:
    """End of this side's images and of its seal's key. Raises AgentError: it is tried again."""
    seal.forget(node, side)
    try:
        ram.release(node.host, node.ram(side))
    except ram.RamFailed as error:
        raise AgentError("ImagesNotRemoved", str(error)) from error


def make(node: Node, side: Side, expected: Expected) -> None:
    """Take the room for what will come, or refuse. Raises AgentError TargetShortOfMemory.

    Images that are restored once shrink as the tasks grow. Those of a pod that keeps its name are
    restored twice, so images and tasks are there side by side.
    """
    times = 2 if side.params.get("sameName") else 1
    needed = expected.memory * times + expected.files + MARGIN_BYTES
    free = ram.available_bytes(node.host)
    if needed > free:
        twice = " twice, since its name is kept," if times > 1 else ""
        raise AgentError(
            "TargetShortOfMemory",
            f"the target node can spare {free // _MIB} MiB and this move needs {needed // _MIB}"
            f" MiB there: {expected.memory // _MIB} MiB of memory{twice} {expected.files // _MIB}"
            f" MiB of files and {MARGIN_BYTES // _MIB} MiB kept free; nothing was frozen. Free"
            f" {(needed - free) // _MIB + 1} MiB there, choose another targetNode, or use copy"
            " PostCopy, which needs no room for images",
        )
    hold(node, side, expected.memory + expected.files + MARGIN_BYTES)
    if expected.memory > CHUNK:
        _take(node, side, expected.memory)


def _take(node: Node, side: Side, size: int) -> None:
    """A file of `size` bytes for the receiver to write over. Raises AgentError.

    Made by a process of the receiver's group, so that the agent's pod is not charged for it.
    """
    place = f"{side.ram}/images/{READY}"
    os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path, work = f"{node.ram(side)}/images/{READY}", f"{node.ram(side)}/work/room"
    argv = ["fallocate", "-l", str(size), path]
    node.host.spawn_detached(argv, f"{work}.out", f"{work}.pid", f"{work}.rc")
    deadline = time.monotonic() + _MAKING_SECONDS
    while not os.path.exists(f"{side.ram}/work/room.rc"):
        if time.monotonic() > deadline:
            raise AgentError("NoRoomInMemory", f"{size // _MIB} MiB were not made ready in time")
        time.sleep(0.005)
    if os.stat(place).st_blocks * 512 < size:
        raise AgentError("NoRoomInMemory", f"{size // _MIB} MiB could not be taken on this node")
