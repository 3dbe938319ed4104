"""Numbers of one cell: median and spread, ratios of medians, and who goes first. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """How a set of measurements lies; all in the unit of the measurements."""

    n: int
    least: float
    low: float
    """First quartile."""
    median: float
    high: float
    """Third quartile."""
    most: float


def spread(values: Sequence[float]) -> Spread | None:
    """The spread of `values`, None when there are none."""
    if not values:
        return None
    if len(values) == 1:
        only = float(values[0])
        return Spread(1, only, only, only, only, only)
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(len(values), min(values), low, median, high, max(values))


def ratio_of_medians(ours: Sequence[float], other: Sequence[float]) -> float | None:
    """Median of `ours` over median of `other`; None where one is missing or zero."""
    if not ours or not other:
        return None
    below = statistics.median(other)
    return statistics.median(ours) / below if below else None


def differences(pairs: Sequence[tuple[float, float]]) -> list[float]:
    """Second minus first of each pair: what both share in a noisy moment cancels."""
    return [second - first for first, second in pairs]


@dataclass(frozen=True, slots=True)
class Cell:
    """One workload size, owner and copy mode."""

    owner: str
    mebibytes: int
    copy: str


def cells(sizes: Sequence[int]) -> list[Cell]:
    """Every size, owner and copy mode."""
    kinds = (
        ("Deployment", "StopAndCopy"),
        ("Deployment", "PostCopy"),
        ("StatefulSet", "StopAndCopy"),
        ("StatefulSet", "PostCopy"),
    )
    return [Cell(owner, size, copy) for size in sizes for owner, copy in kinds]


@dataclass(frozen=True, slots=True)
class Turn:
    """One move that is due; `by` is `podferry` or `hand`."""

    number: int
    cell: Cell
    by: str


def turns(wanted: Sequence[Cell], moves: int) -> Iterator[Turn]:
    """All moves in order: each cell once a round and each pair side by side.

    Rounds are the outer loop, so that a slow minute of the machine hits every cell; within a cell
    the two movers swap who goes first from round to round, and neighbouring cells begin opposed.
    """
    movers = ("podferry", "hand")
    for number in range(moves):
        for index, cell in enumerate(wanted):
            swap = (number + index) % 2
            for by in (movers[swap], movers[1 - swap]):
                yield Turn(number, cell, by)
