"""The binomial distribution: how far chance alone can bend a share. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

STEPS = 60


def quantiles(hits: int, count: int, tail: float) -> tuple[int, int]:
    """Return the `tail` and 1 - `tail` quantiles of Binomial(count, hits / count).

    They are what resampling the runs without end would give.
    """
    low, high, below = -1, count, 0.0
    for at in range(count + 1):
        below += chance(at, count, hits / count)
        if low < 0 and below >= tail:
            low = at
        if below >= 1 - tail:
            high = at
            break
    return max(low, 0), high


def clopper_pearson(hits: int, count: int, tail: float) -> tuple[float, float]:
    """Return the exact interval: shares for which `hits` is not further out than `tail`."""
    low = 0.0 if hits == 0 else _zero(lambda p: 1 - at_most(hits - 1, count, p) - tail)
    high = 1.0 if hits == count else _zero(lambda p: tail - at_most(hits, count, p))
    return low, high


def _zero(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2


def at_most(hits: int, count: int, share: float) -> float:
    """Return the chance of `hits` or fewer in `count`."""
    return min(1.0, math.fsum(chance(at, count, share) for at in range(hits + 1)))


def chance(hits: int, count: int, share: float) -> float:
    """Return the chance of exactly `hits` in `count`."""
    if share <= 0.0 or share >= 1.0:
        return float(hits == (0 if share <= 0.0 else count))
    return math.exp(
        math.lgamma(count + 1) - math.lgamma(hits + 1) - math.lgamma(count - hits + 1)
        + hits * math.log(share) + (count - hits) * math.log1p(-share)
    )  # fmt: skip
