"""What agents said, and how old it is.

Owns the observation cache (sides of attempts, probes, facts of nodes) and the loop that asks
every node for its facts. Nothing here is an authority: the cache starts empty after a restart and
is filled by asking again. Ages are monotonic seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import structlog

from podferry.api.clock import Clock
from podferry.api.errors import PodferryError
from podferry.controller.runtime.agent_client import AgentClient
from podferry.wire.stages import Observed

FACTS_EVERY_SECONDS = 15.0
FACTS_GOOD_SECONDS = 60.0
"""Older facts do not count: that agent is not there [s]."""
FRESH_SECONDS = 1.0
"""A decision needs answers younger than this [s]."""

_log = structlog.get_logger(__name__)

Side = tuple[str, int, str]
"""Migration uid, attempt, role."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and when it came, by the monotonic clock [s]."""

    value: Any
    at: float


class Observations:
    """The cache. For one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sides: dict[Side, Answer] = {}
        self._tried: dict[Side, float] = {}
        self._probes: dict[tuple[str, int], Answer] = {}
        self._facts: dict[str, Answer] = {}
        self._facts_tried: dict[str, float] = {}

    def put_side(self, observed: Observed) -> bool:
        """Keep an answer; True if it says something new that a decision may depend on."""
        key = (observed.migration, observed.attempt, observed.role.value)
        old = self._sides.get(key)
        self._sides[key] = Answer(observed, self._clock.monotonic())
        return old is None or _telling(old.value) != _telling(observed)

    def side(self, key: Side) -> tuple[Observed | None, float]:
        """Return the last answer of a side and its age [s]."""
        answer = self._sides.get(key)
        if answer is None:
            return None, float("inf")
        return answer.value, self._clock.monotonic() - answer.at

    def is_due(self, key: Side) -> bool:
        """Whether a side should be asked again; notes that it will be."""
        now = self._clock.monotonic()
        _, age = self.side(key)
        if age < FRESH_SECONDS or now - self._tried.get(key, float("-inf")) < FRESH_SECONDS:
            return False
        self._tried[key] = now
        return True

    def put_probe(self, migration: str, attempt: int, answer: dict[str, Any]) -> None:
        """Keep the answer of a probe."""
        self._probes[(migration, attempt)] = Answer(answer, self._clock.monotonic())

    def probe(self, migration: str, attempt: int) -> dict[str, Any] | None:
        """Return the last probe of an attempt, None if there is none."""
        answer = self._probes.get((migration, attempt))
        return None if answer is None else answer.value

    def put_facts(self, node: str, facts: dict[str, Any] | None) -> None:
        """Keep the facts of a node; None: it was asked and did not answer."""
        self._facts_tried[node] = self._clock.monotonic()
        if facts is not None:
            old = self._facts.get(node)
            # The same facts stay the same object: who made something of them need not do it again.
            same = old.value if old is not None and old.value == facts else facts
            self._facts[node] = Answer(same, self._clock.monotonic())

    def facts(self, node: str) -> dict[str, Any] | None:
        """Return the facts of a node, None if its agent has not answered lately. Read-only."""
        answer = self._facts.get(node)
        if answer is None or self._clock.monotonic() - answer.at > FACTS_GOOD_SECONDS:
            return None
        facts: dict[str, Any] = answer.value
        return facts

    def facts_age_seconds(self, node: str) -> float:
        """Return the age of a node's facts [s], infinite if it never answered."""
        answer = self._facts.get(node)
        return float("inf") if answer is None else self._clock.monotonic() - answer.at

    def facts_tried_seconds_ago(self, node: str) -> float:
        """Return how long ago a node was asked [s], infinite if never."""
        return self._clock.monotonic() - self._facts_tried.get(node, float("-inf"))

    def forget(self, migration: str) -> None:
        """Drop everything about a Migration that is gone or over."""
        for sides in (self._sides, self._tried):
            for key in [key for key in sides if key[0] == migration]:
                del sides[key]
        for probe in [key for key in self._probes if key[0] == migration]:
            del self._probes[probe]


def _telling(observed: Observed) -> tuple[Any, ...]:
    """What makes an answer news: not the numbers that change all the time."""
    flags = {name: value for name, value in observed.facts.items() if isinstance(value, bool | str)}
    return observed.stage, observed.wanted, observed.progress, observed.error, flags


class NodeObserver:
    """Asks each node for its facts, forever.

    Args:
        agents: how to ask.
        observations: where answers go.
        addresses: returns name and address of each node to ask.
        on_age: told the age of each node's facts [s], -1 if it never answered; for metrics.
        after_round: awaited when every node was asked once more; must not raise.
    """

    def __init__(
        self,
        agents: AgentClient,
        observations: Observations,
        addresses: Callable[[], Iterable[tuple[str, str]]],
        *,
        on_age: Callable[[str, float], None] = lambda _node, _age: None,
        after_round: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._agents, self._observations = agents, observations
        self._addresses, self._on_age = addresses, on_age
        self._after_round = after_round
        self._at_once = asyncio.Semaphore(50)

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            pairs = [(name, address) for name, address in self._addresses() if address]
            await asyncio.gather(*(self.ask(name, address) for name, address in pairs))
            for name, _ in pairs:
                age = self._observations.facts_age_seconds(name)
                self._on_age(name, -1.0 if age == float("inf") else age)
            if pairs and self._after_round is not None:
                await self._after_round()
            await asyncio.sleep(FACTS_EVERY_SECONDS if pairs else 1.0)

    async def ask(self, node: str, address: str) -> None:
        """Ask one node; no answer is noted, never raised."""
        async with self._at_once:
            try:
                facts = await self._agents.node(address)
            except PodferryError as error:
                _log.debug("agent did not answer", node=node, why=error.message)
                self._observations.put_facts(node, None)
                return
        self._observations.put_facts(node, facts)
