"""Detectors that look ahead: local regression, double smoothing, time to exhaustion.

Their horizon is the time that a move takes: a node is relieved when it would be full before a move
that begins now is over. Utilisation is counted as in `trailing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from operator import mul
from statistics import median

from podferry.policies import memory
from podferry.policies.args import count, number
from podferry.policies.detectors.trailing import fallback
from podferry.policies.vocabulary import Node, Overload, Pod, Snapshot
from podferry.policies.words import gib, pace, seconds

_EXACT = 1e-12
"""Residuals [of the limit] that are rounding, not distance."""


def line(values: list[float], weights: list[float]) -> tuple[float, float]:
    """Return (b0, b1) that minimise the sum of (w * (y - b0 - b1 * x))^2 for x = 1, 2, ...

    Weights multiply residuals, not their squares, as in OpenStack Neat.
    """
    total = mean_x = mean_y = 0.0
    for at, (y, weight) in enumerate(zip(values, weights, strict=True)):
        square = weight * weight
        total += square
        mean_x += square * (at + 1)
        mean_y += square * y
    mean_x, mean_y = mean_x / total, mean_y / total
    cross = spread = 0.0
    for at, (y, weight) in enumerate(zip(values, weights, strict=True)):
        off = weight * (at + 1 - mean_x)
        cross += off * weight * (y - mean_y)
        spread += off * off
    slope = cross / spread if spread > 0 else 0.0
    return mean_y - slope * mean_x, slope


def tricube(count: int) -> list[float]:
    """Return the weights of `count` >= 3 samples, the newest 1; the first two as the third."""
    top = count - 1.0
    weights = [(1.0 - ((top - at) / top) ** 3) ** 3 for at in range(2, count)]
    return [weights[0], weights[0], *weights]


@lru_cache(maxsize=64)
def tricube_line(count: int) -> tuple[list[float], list[float]]:
    """Return what the values are multiplied by to give b0 and b1 of their tricube-weighted line.

    A fitted line is linear in its values, so its answers to unit vectors are all there is to know;
    asked thousands of times a second with the same count.
    """
    weights = tricube(count)
    units = [[1.0 if at == one else 0.0 for at in range(count)] for one in range(count)]
    fitted = [line(unit, weights) for unit in units]
    return [b0 for b0, _ in fitted], [b1 for _, b1 in fitted]


def local_line(values: list[float], robust: bool) -> tuple[float, float]:
    """Return the tricube-weighted line, fitted once more with bisquare weights if `robust`."""
    for_b0, for_b1 = tricube_line(len(values))
    b0, b1 = sum(map(mul, for_b0, values)), sum(map(mul, for_b1, values))
    if not robust:
        return b0, b1
    residuals = [abs(y - b0 - b1 * (at + 1)) for at, y in enumerate(values)]
    scale = 6.0 * median(residuals)
    if scale < _EXACT:
        return b0, b1
    weights = tricube(len(values))
    damped = [
        weight * (1.0 - (residual / scale) ** 2) ** 2 if residual < scale else 0.0
        for weight, residual in zip(weights, residuals, strict=True)
    ]
    damped[0] = damped[1] = damped[2]
    return line(values, damped) if sum(1 for each in damped if each > 0) > 1 else (b0, b1)


def _regression(
    rule: LocalRegression | RobustRegression, node: Node, robust: bool
) -> Overload | None:
    last = memory.shares(node, rule.samples)
    if len(last) < rule.samples:
        return fallback(node, rule.fallback_percent, len(last))
    times = node.history.times
    interval = (times[-1] - times[-rule.samples]) / (rule.samples - 1)
    move = memory.longest_move(node)
    ahead = ceil(move / interval)
    b0, b1 = local_line(last, robust)
    foreseen = b0 + b1 * (rule.samples + ahead)
    if rule.safety * foreseen < 1.0:
        return None
    top = memory.limit(node)
    growth = b1 / interval * top
    need = (foreseen - 1.0 / rule.safety) * top
    why = (
        f"{foreseen * 100:.1f} % used foreseen in {seconds(ahead * interval)} (the longest move "
        f"takes {seconds(move)}), times {rule.safety:g} at or above 100 %: {gib(need)} to be freed"
    )
    return memory.overload(node, need, why, growth)


@dataclass(frozen=True, slots=True)
class LocalRegression:
    """A line through the last samples, the newest counting most, is full when a move ends."""

    safety: float = number("s: the foreseen use is multiplied by it", 1.0, "", 0.1, 10)
    samples: int = count("n: newest samples of the line", 30, 3, 10_000)
    fallback_percent: float = number("used memory above it needs help till then", 80.0, "%", 0, 100)

    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        """See `Detector`."""
        return _regression(self, node, robust=False)


@dataclass(frozen=True, slots=True)
class RobustRegression:
    """As local regression, and samples far from the line count less in a second fit."""

    safety: float = number("s: the foreseen use is multiplied by it", 1.0, "", 0.1, 10)
    samples: int = count("n: newest samples of the line", 30, 3, 10_000)
    fallback_percent: float = number("used memory above it needs help till then", 80.0, "%", 0, 100)

    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        """See `Detector`."""
        return _regression(self, node, robust=True)


@dataclass(frozen=True, slots=True)
class Holt:
    """Double exponential smoothing foresees a full node when a move ends."""

    alpha: float = number("weight of the newest sample in the level", 0.5, "", 0.001, 1)
    beta: float = number("weight of the newest step in the trend", 0.3, "", 0.001, 1)
    samples: int = count("newest samples that are looked at", 30, 2, 10_000)
    margin: float = number("added to the longest move", 30.0, "s", 0, 86400)
    safety: float = number("the foreseen use is multiplied by it", 1.0, "", 0.1, 10)
    fallback_percent: float = number("used memory above it needs help till then", 80.0, "%", 0, 100)

    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        """See `Detector`."""
        last = memory.shares(node, self.samples)
        if len(last) < 2:
            return fallback(node, self.fallback_percent, len(last))
        level, trend = self._smoothed(node.history.times[-len(last) :], last)
        horizon = memory.longest_move(node) + self.margin
        foreseen = level + trend * horizon
        if self.safety * foreseen < 1.0:
            return None
        top = memory.limit(node)
        need = (foreseen - 1.0 / self.safety) * top
        why = (
            f"{foreseen * 100:.1f} % used foreseen in {seconds(horizon)} at {pace(trend * top)}, "
            f"times {self.safety:g} at or above 100 %: {gib(need)} to be freed"
        )
        return memory.overload(node, need, why, trend * top)

    def _smoothed(self, times: tuple[float, ...], values: list[float]) -> tuple[float, float]:
        """Return level and trend [1/s] after the last sample."""
        level = values[0]
        trend = (values[1] - values[0]) / (times[1] - times[0])
        for at in range(1, len(values)):
            step = times[at] - times[at - 1]
            before = level
            level = self.alpha * values[at] + (1 - self.alpha) * (level + trend * step)
            trend = self.beta * (level - before) / step + (1 - self.beta) * trend
        return level, trend


def least_squares(times: tuple[float, ...], values: tuple[float, ...]) -> float:
    """Return the slope of the least-squares line; at least two samples, times rising."""
    mean = sum(times) / len(times)
    off = [time - mean for time in times]
    cross: float = sum(map(mul, off, values))
    return cross / sum(each * each for each in off)


@dataclass(frozen=True, slots=True)
class TimeToExhaustion:
    """The node is full before the move of its fastest grower, begun now, would be over."""

    reserve_percent: float = number("kept free above kubelet's threshold", 5.0, "%", 0, 99)
    margin: float = number("queue, polling and restore beside the move itself", 30.0, "s", 0, 86400)
    window: float = number("growth is the least-squares line of it", 120.0, "s", 1, 86400)
    look_ahead: float = number("so long the room must last afterwards", 300.0, "s", 0, 86400)

    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        """See `Detector`."""
        room = memory.limit(node) - self.reserve_percent / 100.0 * node.capacity
        room -= memory.expected(node)
        first = memory.window_start(node.history, self.window)
        growth = 0.0
        if first is not None:
            growth = least_squares(node.history.times[first:], node.history.values[first:])
        if room > 0 and growth <= 0:
            return None
        left = max(0.0, room) / growth if growth > 0 else 0.0
        if left >= memory.longest_move(node) + self.margin:
            return None  # whoever the fastest grower is
        move = self._fastest(node)
        if left >= move + self.margin:
            return None
        need = max(0.0, growth) * max(self.look_ahead, move + self.margin) - room
        why = (
            f"full to {self.reserve_percent:g} % in {seconds(left)} at {pace(growth)}, a move "
            f"takes {seconds(move)} and {seconds(self.margin)} more: {gib(need)} to be freed"
        )
        return memory.overload(node, need, why, growth)

    def _fastest(self, node: Node) -> float:
        """Return how long the move of the fastest grower takes [s]; 0 where nothing can move."""

        def growing(pod: Pod) -> tuple[float, float]:
            return memory.growth(pod.history, self.window) or 0.0, pod.memory

        fastest = max(memory.movable(node), key=growing, default=None)
        return 0.0 if fastest is None else fastest.cost.total
