"""How far each agent's wall clock is from ours, as far as its answers prove it.

An answer carries the agent's time, and it was made between our question and its arrival. That
bounds the difference; of several answers the one with the narrowest bounds counts. Times are left
alone while no difference is proven, so clocks that agree are never made worse. Never sets a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from podferry.wire.stages import Observed

GOOD_SECONDS = 300.0
"""Older bounds are given up: clocks drift, and are set [s]."""
MOMENTS = ("frozenAt", "resumedAt")
"""Facts that are moments of the agent's wall clock [unix s]."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The agent's clock minus ours lies between `low` and `high` [s]; found at `at`, monotonic."""

    low: float
    high: float
    at: float

    @property
    def width(self) -> float:
        """How little is known [s]."""
        return self.high - self.low

    @property
    def proven(self) -> float:
        """The difference, 0 where there may be none [s]."""
        return 0.0 if self.low <= 0.0 <= self.high else (self.low + self.high) / 2


class AgentClocks:
    """What is known of each agent's clock, by address."""

    def __init__(self) -> None:
        self._bounds: dict[str, Bounds] = {}

    def heard(self, address: str, told: str, *, sent: float, received: float, at: float) -> None:
        """Take an answer in.

        Args:
            address: of the agent.
            told: its time as it wrote it [unix s]; nonsense or nothing is ignored.
            sent: our time when the question left [unix s].
            received: our time when the answer was there [unix s].
            at: monotonic [s].
        """
        try:
            moment = float(told)
        except ValueError:
            return
        new, old = Bounds(moment - received, moment - sent, at), self._bounds.get(address)
        if not 0.0 <= new.width < GOOD_SECONDS:
            return  # our own clock was set meanwhile
        apart = old is not None and (new.low > old.high or new.high < old.low)
        if old is None or apart or new.width < old.width or at - old.at > GOOD_SECONDS:
            self._bounds[address] = new

    def ahead(self, address: str) -> float:
        """How far that agent's clock is proven to be ahead of ours [s]; negative: behind."""
        bounds = self._bounds.get(address)
        return bounds.proven if bounds else 0.0

    def by_ours(self, address: str, observed: Observed) -> Observed:
        """The same answer with its moments by our clock."""
        ahead = self.ahead(address)
        moments = {
            name: float(observed.facts[name]) - ahead
            for name in MOMENTS
            if ahead and isinstance(observed.facts.get(name), int | float)
        }
        return replace(observed, facts={**observed.facts, **moments}) if moments else observed
