"""Removes what ended attempts left on the node. Never touches an attempt that is undecided."""

from __future__ import annotations

import asyncio

import structlog

from podferry.agent.engine import Engine
from podferry.agent.store import Store

log = structlog.get_logger("podferry.agent.janitor")
KEEP_SECONDS = 600.0


async def run(engine: Engine, store: Store, *, every_seconds: float = 60.0) -> None:
    """Sweep at start and for ever."""
    while True:
        try:
            for name in await asyncio.to_thread(store_sweep, store):
                log.info("removed an ended attempt", attempt=name)
            engine.forget()
        except OSError as error:
            log.warning("sweep failed", error=str(error))
        await asyncio.sleep(every_seconds)


def store_sweep(store: Store) -> list[str]:
    """The part of a sweep that touches the disk."""
    return store.remove_ended(older_than_seconds=KEEP_SECONDS)
