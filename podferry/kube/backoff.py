"""How long to wait after a failure: full jitter, so that many clients do not return together."""

from __future__ import annotations

import random


class Backoff:
    """Full-jitter exponential backoff: a random wait in [0, min(cap, base * 2**n)]."""

    def __init__(self, *, base_seconds: float, cap_seconds: float, rng: random.Random) -> None:
        self._base = base_seconds
        self._cap = cap_seconds
        self._rng = rng
        self._failures = 0

    @property
    def failures(self) -> int:
        """Failures since the last reset."""
        return self._failures

    def next(self, *, at_least: float = 0.0) -> float:
        """Count a failure; return the wait [s], never below `at_least` [s]."""
        ceiling = min(self._cap, self._base * 2.0 ** min(self._failures, 32))
        self._failures += 1
        # A tenth of the ceiling at least: a wait of nearly nothing would be no backoff at all.
        return at_least + self._rng.uniform(ceiling / 10, ceiling)

    def reset(self) -> None:
        """Forget the failures."""
        self._failures = 0
