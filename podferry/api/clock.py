"""The one clock: wall time for people, monotonic seconds for deadlines.

Owns every call of the operating system's clocks; nothing else in podferry calls `time.*` or
`datetime.now`. It never sleeps: waiting belongs to whoever owns the event loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the rest of podferry knows about time."""

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC; for people and for objects, never for deadlines."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards; only differences mean anything."""
        ...


class SystemClock:
    """The machine's clocks.

    In a program with an event loop pass `monotonic=asyncio.get_running_loop().time`, so that
    deadlines and the loop's timers share one clock (and virtual time in tests moves both).
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the seconds of the monotonic clock given at construction."""
        return self._monotonic()


class FakeClock:
    """A clock that stands still until told to advance; for tests and the simulator."""

    def __init__(self, start: datetime | None = None) -> None:
        self._start = start or datetime(2026, 1, 1, tzinfo=UTC)
        if self._start.tzinfo is None:
            raise ValueError(f"start {self._start!r} has no time zone; pass an aware datetime")
        self._elapsed = 0.0

    def now(self) -> datetime:
        """Return the start plus what was advanced, aware, in UTC."""
        return (self._start + timedelta(seconds=self._elapsed)).astimezone(UTC)

    def monotonic(self) -> float:
        """Return the seconds advanced so far."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move both clocks forward by `seconds` [s, >= 0]; raises ValueError when negative."""
        if seconds < 0:
            raise ValueError(f"cannot advance by {seconds} s; a clock only moves forward")
        self._elapsed += seconds
