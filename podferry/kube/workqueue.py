"""A queue of keys: each once, each worked on by one worker at a time.

Owns deduplication, delays and per-key backoff. It holds keys, never objects: whoever gets a key
reads the store. A key added while it is worked on comes again after `done`.
"""

from __future__ import annotations

import asyncio
import random


class QueueShutDown(Exception):
    """`get` after `shut_down`: no more keys come."""


class WorkQueue:
    """Keys to reconcile; for one event loop, not for threads.

    Args:
        max_keys: more waiting keys than this are refused (and counted in `dropped`).
        base_seconds: first backoff of a key [s].
        cap_seconds: longest backoff of a key [s].
        rng: for jitter; None means no jitter.
    """

    def __init__(
        self,
        *,
        max_keys: int = 10_000,
        base_seconds: float = 0.5,
        cap_seconds: float = 60.0,
        rng: random.Random | None = None,
    ) -> None:
        self._max_keys = max_keys
        self._base, self._cap, self._rng = base_seconds, cap_seconds, rng
        self._ready: asyncio.Queue[str | None] = asyncio.Queue()
        self._dirty: set[str] = set()
        self._processing: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, int] = {}
        self._closed = False
        self.dropped = 0
        """Keys refused because the queue was full; list everything anew when this grows."""

    def __len__(self) -> int:
        """Keys that wait to be worked on, without the delayed ones."""
        return len(self._dirty)

    @property
    def delayed(self) -> int:
        """Keys that wait for their time."""
        return len(self._timers)

    def add(self, key: str) -> bool:
        """Ask for `key` to be worked on; False if the queue is full or shut down."""
        if self._closed:
            return False
        if key in self._dirty:
            return True
        if len(self._dirty) >= self._max_keys:
            self.dropped += 1
            return False
        self._dirty.add(key)
        if key not in self._processing:
            self._ready.put_nowait(key)
        return True

    def add_after(self, key: str, seconds: float) -> None:
        """Add `key` after `seconds` [s]; of several waits for a key the earliest counts."""
        if seconds <= 0:
            self.add(key)
            return
        if self._closed:
            return
        loop = asyncio.get_running_loop()
        old = self._timers.get(key)
        if old is not None:
            if old.when() <= loop.time() + seconds:
                return
            old.cancel()
        elif len(self._timers) >= self._max_keys:
            self.dropped += 1
            return
        self._timers[key] = loop.call_later(seconds, self._due, key)

    def add_rate_limited(self, key: str) -> float:
        """Add `key` after its own exponential backoff; return the wait [s]."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        seconds = min(self._cap, self._base * 2.0 ** min(failures, 32))
        if self._rng is not None:
            seconds *= self._rng.uniform(0.5, 1.0)
        self.add_after(key, seconds)
        return seconds

    def forget(self, key: str) -> None:
        """Reset the backoff of `key`; call it after a success."""
        self._failures.pop(key, None)

    def failures(self, key: str) -> int:
        """Rate-limited additions of `key` since the last `forget`."""
        return self._failures.get(key, 0)

    async def get(self) -> str:
        """Wait for a key; call `done(key)` afterwards, always. Raises QueueShutDown."""
        key = await self._ready.get()
        if key is None:
            self._ready.put_nowait(None)  # for the next worker
            raise QueueShutDown
        self._dirty.discard(key)
        self._processing.add(key)
        return key

    def done(self, key: str) -> None:
        """Say that the work on `key` ended; it comes again if it was added meanwhile."""
        self._processing.discard(key)
        if key in self._dirty:
            self._ready.put_nowait(key)

    def shut_down(self) -> None:
        """Refuse new keys, drop the delayed ones; workers get what is ready, then QueueShutDown."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._ready.put_nowait(None)

    def _due(self, key: str) -> None:
        self._timers.pop(key, None)
        self.add(key)
