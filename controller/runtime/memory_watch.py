"""A long poll to each agent for its node's memory, while any RescuePolicy exists.

Owns one task a node, its pace and its back-off. What an answer means is the receiver's matter; an
agent that does not answer, or answers nonsense, is silence with a reason.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

import structlog

from podferry.api.clock import Clock
from podferry.api.errors import PodferryError
from podferry.kube.backoff import Backoff
from podferry.wire.memory import Asked, Report

NODES_EVERY_SECONDS = 1.0
"""How soon a new node is asked [s]."""
FIRST_AT_ONCE = 50
"""First questions, each with its TLS handshake, at the same time."""
LEAST_PAUSE_SECONDS = 0.2
"""Between two answers of one node: an urgent one has more to tell at every moment [s]."""
RETRY_SECONDS = (1.0, 15.0)

_log = structlog.get_logger(__name__)


class Asks(Protocol):
    """How an agent is asked; raises PodferryError where nothing useful comes back."""

    async def memory(self, address: str, asked: Asked) -> Report:
        """Return the report of the agent at an address."""
        ...


class MemoryWatch:
    """See the module.

    Args:
        agents: how to ask.
        addresses: returns name and address of each node there is.
        asked: what to ask; None: nothing.
        on_report: told node, report and when it came (monotonic [s]).
        on_silence: told node and why.
        clock: ours.
        rng: for jitter.
    """

    def __init__(
        self,
        agents: Asks,
        addresses: Callable[[], Iterable[tuple[str, str]]],
        asked: Callable[[], Asked | None],
        *,
        on_report: Callable[[str, Report, float], None],
        on_silence: Callable[[str, str], None],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._agents, self._addresses, self._asked = agents, addresses, asked
        self._on_report, self._on_silence = on_report, on_silence
        self._clock, self._rng = clock, rng
        self._first = asyncio.Semaphore(FIRST_AT_ONCE)

    async def run(self) -> None:
        """Ask until cancelled; nodes come and go."""
        tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        try:
            while True:
                wanted = set(self._addresses()) if self._asked() is not None else set()
                wanted = {(name, address) for name, address in wanted if address}
                # One that ended while nothing was asked for a moment begins anew.
                ended = {pair for pair, task in tasks.items() if task.done()}
                for pair in (tasks.keys() - wanted) | ended:
                    tasks.pop(pair).cancel()
                for pair in wanted - tasks.keys():
                    tasks[pair] = asyncio.create_task(self._follow(*pair))
                await asyncio.sleep(NODES_EVERY_SECONDS)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _follow(self, node: str, address: str) -> None:
        base, cap = RETRY_SECONDS
        backoff = Backoff(base_seconds=base, cap_seconds=cap, rng=self._rng)
        last: Report | None = None
        while True:
            asked = self._asked()
            if asked is None:
                return
            try:
                report = await self._ask(address, asked, last)
                self._on_report(node, report, self._clock.monotonic())
            except PodferryError as error:
                self._on_silence(node, error.message)
                await asyncio.sleep(backoff.next())
                continue
            except Exception as error:
                # The border: an answer that breaks us must not end the watch of its node.
                _log.exception("memory report broke", node=node)
                self._on_silence(node, f"{type(error).__name__}: {error}")
                await asyncio.sleep(backoff.next())
                continue
            backoff.reset()
            last = report
            await asyncio.sleep(LEAST_PAUSE_SECONDS)

    async def _ask(self, address: str, asked: Asked, last: Report | None) -> Report:
        if last is None:
            async with self._first:
                return await self._agents.memory(address, replace(asked, since=-1, wait=0.0))
        report = await self._agents.memory(address, replace(asked, since=last.seq))
        if (report.started, report.boot_id) != (last.started, last.boot_id):
            # Our `since` was of an agent that is gone: what this one kept is asked for anew.
            return await self._agents.memory(address, replace(asked, since=-1, wait=0.0))
        return report
