"""Makes a moment of a move last, so that a test can kill something in it. Off unless asked for.

Owns: waiting before a stage while a file `<folder>/<role>.<stage>` exists, and before a stream of a
kind is read (`target.<kind>`: the source is frozen then). Never does: anything in a cluster whose
agents were started without `--breakpoints`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import structlog

from podferry.wire.stages import Role

log = structlog.get_logger("podferry.agent.breakpoints")
Before = Callable[[Role, str], Awaitable[None]]
_POLL_SECONDS = 0.02


async def none(_role: Role, _stage: str) -> None:
    """Do not wait."""


def at(folder: str) -> Before:
    """Wait at the files of this folder; "" waits never."""
    if not folder:
        return none

    async def halt(role: Role, stage: str) -> None:
        path = f"{folder}/{role.value}.{stage}"
        told = False
        while True:
            if not _exists(path):
                return
            if not told:
                log.warning("halted before a stage; remove the file to go on", file=path)
                told = True
            await asyncio.sleep(_POLL_SECONDS)

    return halt


def _exists(path: str) -> bool:
    return os.path.exists(path)
