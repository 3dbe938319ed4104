"""When a node's memory will reach kubelet's threshold, with an interval. Pure.

Least squares over the last two minutes; the interval comes from the standard error of the slope.
It is for people (`podferry plan`, metrics): what acts is the policy's detector.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from podferry.policies.memory import PACE_WINDOW
from podferry.policies.vocabulary import Node

Z90 = 1.645
"""90 % of a normal distribution lie within so many standard errors."""
LEAST_SAMPLES = 5
LONGEST_SECONDS = 86400.0
"""What is further away than a day is not foreseen."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is foreseen for a node."""

    slope: float
    """Of the used memory [bytes/s]."""
    exhausted_in: float | None
    """Until kubelet begins to evict [s]; None: not within a day at this pace."""
    earliest: float | None = None
    """Lower end of the 90 % interval of the slope's error [s]."""
    latest: float | None = None
    """Upper end [s]; None: perhaps never."""
    samples: int = 0


def forecast(node: Node) -> Forecast:
    """Foresee a node from its history; bookings of moves are not counted."""
    recent = node.history
    if len(recent):
        recent = recent.since(recent.times[-1] - PACE_WINDOW)
    left = node.capacity - node.eviction - node.used
    if len(recent) < LEAST_SAMPLES:
        return Forecast(0.0, 0.0 if left <= 0 else None, samples=len(recent))
    slope, error = _line(recent.times, recent.values)
    if left <= 0:
        return Forecast(slope, 0.0, 0.0, 0.0, len(recent))
    return Forecast(
        slope,
        _until(left, slope),
        _until(left, slope + Z90 * error),
        _until(left, slope - Z90 * error),
        len(recent),
    )


def _until(left: float, slope: float) -> float | None:
    if slope <= 0 or left / slope > LONGEST_SECONDS:
        return None
    return left / slope


def _line(times: tuple[float, ...], values: tuple[float, ...]) -> tuple[float, float]:
    """Return slope and its standard error."""
    count = len(times)
    mean_time, mean_value = sum(times) / count, sum(values) / count
    off = [time - mean_time for time in times]
    square = sum(each * each for each in off)
    slope = sum(d * (value - mean_value) for d, value in zip(off, values, strict=True)) / square
    rest = sum((value - mean_value - slope * d) ** 2 for d, value in zip(off, values, strict=True))
    return slope, sqrt(rest / (count - 2) / square)
