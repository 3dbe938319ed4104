"""Detectors that look back: mean, spread and excess of the last samples of a node.

Utilisation u is what the node is expected to use, over the use at which kubelet begins to evict
(`memory.limit`). Where a rule needs more samples than there are, a plain threshold stands in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from statistics import fmean, median

from podferry.policies import memory
from podferry.policies.args import count, number
from podferry.policies.vocabulary import Node, Overload, Snapshot
from podferry.policies.words import gib


def above(node: Node, used: float, share: float, why: str) -> Overload:
    """Return the overload of a node whose use (of the limit) is above a share of it."""
    need = (used - share) * memory.limit(node)
    return memory.overload(node, need, f"{why}: {gib(max(0.0, need))} to be freed")


def fallback(node: Node, used_percent: float, samples: int) -> Overload | None:
    """Judge by the newest sample alone, while there are too few for the rule itself."""
    used = memory.expected(node) / memory.limit(node)
    if used <= used_percent / 100.0:
        return None
    why = f"{used * 100:.1f} % used, above {used_percent:g} % (only {samples} samples so far)"
    return above(node, used, used_percent / 100.0, why)


@dataclass(frozen=True, slots=True)
class LastMean:
    """The mean of the last n samples is above a threshold."""

    used_percent: float = number("a higher mean needs help", 95.0, "%", 0, 100)
    samples: int = count("samples of the mean", 2, 1, 10_000)

    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        """See `Detector`."""
        last = memory.shares(node, self.samples)
        if len(last) < self.samples:
            return fallback(node, self.used_percent, len(last))
        mean = fmean(last)
        if mean <= self.used_percent / 100.0:
            return None
        why = f"{mean * 100:.1f} % used in the mean of {self.samples} samples, above "
        return above(node, mean, self.used_percent / 100.0, f"{why}{self.used_percent:g} %")


def deviation_from_median(values: list[float]) -> float:
    """Return the median absolute deviation."""
    middle = median(values)
    return median(abs(value - middle) for value in values)


def interquartile_range(values: list[float]) -> float:
    """Return q3 - q1, each the sample at round(share * (n + 1)), as CloudSim and Neat take them."""
    ordered = sorted(values)
    places = len(ordered) + 1
    first, third = round(0.25 * places) - 1, round(0.75 * places) - 1
    return ordered[min(third, len(ordered) - 1)] - ordered[max(first, 0)]


@dataclass(frozen=True, slots=True)
class Mad:
    """The newest sample is within s median deviations of full."""

    safety: float = number("s: median deviations kept free", 2.5, "", 0, 100)
    samples: int = count("newest samples that are looked at", 30, 1, 10_000)
    min_samples: int = count("with fewer the threshold stands in", 12, 1, 10_000)
    fallback_percent: float = number("used memory above it needs help till then", 80.0, "%", 0, 100)

    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        """See `Detector`."""
        return _spread(self, node, deviation_from_median, "median absolute deviation")


@dataclass(frozen=True, slots=True)
class Iqr:
    """The newest sample is within s interquartile ranges of full."""

    safety: float = number("s: interquartile ranges kept free", 1.5, "", 0, 100)
    samples: int = count("newest samples that are looked at", 30, 1, 10_000)
    min_samples: int = count("with fewer the threshold stands in", 12, 1, 10_000)
    fallback_percent: float = number("used memory above it needs help till then", 80.0, "%", 0, 100)

    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        """See `Detector`."""
        return _spread(self, node, interquartile_range, "interquartile range")


def _spread(
    rule: Mad | Iqr, node: Node, measure: Callable[[list[float]], float], name: str
) -> Overload | None:
    last = memory.shares(node, rule.samples)
    if len(last) < rule.min_samples:
        return fallback(node, rule.fallback_percent, len(last))
    spread = measure(last)
    threshold = 1.0 - rule.safety * spread
    if last[-1] < threshold:
        return None
    why = (
        f"{last[-1] * 100:.1f} % used, at or above 100 - {rule.safety:g} * {spread * 100:.2f} % "
        f"({name} of {len(last)} samples)"
    )
    return above(node, last[-1], threshold, why)


@dataclass(frozen=True, slots=True)
class NSigma:
    """Mean and N standard deviations of the last samples reach what there is."""

    sigmas: float = number("N: standard deviations above the mean", 3.0, "", 0, 100)
    samples: int = count("newest samples that are looked at", 30, 1, 10_000)
    min_samples: int = count("with fewer the threshold stands in", 12, 1, 10_000)
    fallback_percent: float = number("used memory above it needs help till then", 80.0, "%", 0, 100)

    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        """See `Detector`."""
        last = memory.shares(node, self.samples)
        if len(last) < self.min_samples:
            return fallback(node, self.fallback_percent, len(last))
        mean = fmean(last)
        deviation = sqrt(fmean((value - mean) ** 2 for value in last))
        peak = mean + self.sigmas * deviation
        if peak < 1.0:
            return None
        why = (
            f"peak of {peak * 100:.1f} % foreseen: mean {mean * 100:.1f} % + {self.sigmas:g} * "
            f"{deviation * 100:.2f} % of {len(last)} samples"
        )
        return above(node, peak, 1.0, why)


def next_by_ar1(values: list[float]) -> float:
    """Return the next value of a first-order autoregression about the mean, |phi| at most 1."""
    mean = fmean(values)
    moved = [value - mean for value in values]
    power = sum(each * each for each in moved[:-1])
    if power == 0:
        return values[-1]
    phi = sum(now * before for before, now in pairwise(moved)) / power
    return mean + max(-1.0, min(1.0, phi)) * moved[-1]


@dataclass(frozen=True, slots=True)
class KOfN:
    """At least k of the last n samples are above the threshold, and so is the next foreseen one."""

    used_percent: float = number("samples above it count", 75.0, "%", 0, 100)
    exceeding: int = count("k: so many must be above", 3, 1, 10_000)
    samples: int = count("n: of the last", 5, 1, 10_000)
    fit_samples: int = count("newest samples that the forecast is fitted to", 20, 2, 10_000)

    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        """See `Detector`."""
        fitted = memory.shares(node, self.fit_samples)
        last = fitted[-self.samples :]
        threshold = self.used_percent / 100.0
        over = sum(1 for value in last if value > threshold)
        if over < self.exceeding:
            return None
        foreseen = next_by_ar1(fitted)
        if foreseen <= threshold:
            return None
        why = (
            f"{over} of the last {len(last)} samples above {self.used_percent:g} % used, "
            f"{foreseen * 100:.1f} % foreseen next"
        )
        return above(node, max(foreseen, last[-1]), threshold, why)
