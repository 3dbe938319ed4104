"""How far a figure of some seeds can be trusted: intervals of shares and of means.

Owns the methods. A share (failing runs) has two 95 % intervals: the bootstrap's, which says [0, 0]
where nothing failed, and the exact one (Clopper and Pearson), whose upper end is the honest one.
A claim of "below x" is judged by the larger of the two upper ends. Every draw is seeded.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from podferry.simulator.statistics import binomial

TAIL = 0.025
"""Left out on either side of an interval."""
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `count` runs, with both intervals."""

    hits: int
    count: int
    bootstrap: Interval
    exact: Interval

    @property
    def value(self) -> float:
        """The share itself [0..1]."""
        return self.exact.value

    @property
    def upper(self) -> float:
        """The end by which "below x" is judged: the larger of both [0..1]."""
        return max(self.bootstrap.high, self.exact.high)


@lru_cache(maxsize=4096)
def share(hits: int, count: int) -> Share:
    """Return the share of `hits` in `count` with its intervals.

    Raises:
        ValueError: no runs, or more hits than runs.
    """
    if count < 1 or not 0 <= hits <= count:
        raise ValueError(f"{hits} of {count} is no share")
    value = hits / count
    low, high = binomial.quantiles(hits, count, TAIL)
    return Share(
        hits,
        count,
        Interval(value, low / count, high / count),
        Interval(value, *binomial.clopper_pearson(hits, count, TAIL)),
    )


def mean(values: Sequence[float], seed: str = "") -> Interval:
    """Return the mean with its percentile bootstrap interval.

    Args:
        values: one of each run.
        seed: of the resampling; the same seed gives the same interval.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("no values have no mean")
    count, value = len(values), math.fsum(values) / len(values)
    if min(values) == max(values):
        return Interval(value, value, value)
    draw = random.Random(f"bootstrap {seed}")  # noqa: S311 statistics, no secret
    means = sorted(math.fsum(draw.choices(values, k=count)) / count for _ in range(RESAMPLES))
    return Interval(value, means[int(TAIL * RESAMPLES)], means[int((1 - TAIL) * RESAMPLES) - 1])
