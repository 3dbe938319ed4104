"""How often something may happen: API calls, migration starts.

Owns one interface and two implementations: `ThrottleLimiter` for real time, `ClockLimiter` for
tests in virtual time (the throttle reads the machine's clock whatever the event loop says).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Protocol

from asyncio_throttle import Throttler

from podferry.api.clock import Clock


class RateLimiter(Protocol):
    """Lets callers through at a bounded rate, in the order they came."""

    async def acquire(self) -> None:
        """Wait until it is this caller's turn."""
        ...


class ThrottleLimiter:
    """At most `limit` passes in any `period_seconds`, in real time, first come first served.

    The lock makes it fair and cheap: of all waiters only one polls.
    """

    def __init__(self, *, limit: int, period_seconds: float = 1.0) -> None:
        _check(limit, period_seconds)
        self._throttler: Any = Throttler(
            rate_limit=limit, period=period_seconds, retry_interval=min(0.05, period_seconds / 4)
        )
        self._lock = asyncio.Lock()

    async def acquire(self) -> None:
        """Wait until it is this caller's turn."""
        async with self._lock:
            await self._throttler.acquire()


class ClockLimiter:
    """The same by a clock that is passed in, which must be the event loop's."""

    def __init__(self, *, limit: int, clock: Clock, period_seconds: float = 1.0) -> None:
        _check(limit, period_seconds)
        self._limit, self._period, self._clock = limit, period_seconds, clock
        self._passes: deque[float] = deque()
        self._lock = asyncio.Lock()

    async def acquire(self) -> None:
        """Wait until it is this caller's turn."""
        async with self._lock:
            if len(self._passes) >= self._limit:
                wait = self._passes[0] + self._period - self._clock.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
                self._passes.popleft()
            self._passes.append(self._clock.monotonic())


def _check(limit: int, period_seconds: float) -> None:
    if limit < 1 or period_seconds <= 0:
        raise ValueError(
            f"limit {limit} per {period_seconds} s; at least 1 per a positive time is needed"
        )
