"""What a move itself does to the memory of its nodes is no growth of any workload. Pure.

Owns when a move fills its target and empties its source, and which samples are left to read a pace
from. Without this a node that just took a pod in looks as if it were full within seconds, and one
that gave a pod away as if what stayed there shrank.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from podferry.api.migration import Migration
from podferry.api.reasons import Condition
from podferry.controller.core.status import TERMINAL_VALUES, condition, is_true, parse
from podferry.policies.vocabulary import Series

REMEMBERED_SECONDS = 300.0
"""Older moves are outside of what the rules read a pace from [s]."""
SETTLE_SECONDS = 3.0
"""After the end of a shift: kernel and agent see the last of it a moment later [s]."""
ENOUGH_SAMPLES = 5
"""Fewer after a shift say less than those before it."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A time in which a move changed what a node or a pod uses [monotonic s]."""

    begin: float
    end: float
    """Infinite: it goes on."""


def shifts(
    migrations: Iterable[Migration], *, now: float, wall: datetime
) -> tuple[Mapping[str, tuple[Shift, ...]], Mapping[str, Shift]]:
    """Return the shifts by node name, and that of each target pod by its uid.

    A move shifts from its freeze to its end: until the target has all its memory, and until the
    source has given up its own.
    """
    nodes: dict[str, list[Shift]] = {}
    pods: dict[str, Shift] = {}
    for one in migrations:
        status = one.status
        if not status.frozen_at or status.source is None or status.target is None:
            continue
        begin = now - (wall - parse(status.frozen_at)).total_seconds()
        over = status.phase in TERMINAL_VALUES
        arrived, gone = _arrived(one), _released(one)
        for node, end in ((status.target.node, arrived), (status.source.node, gone)):
            until = end or (status.completed_at if over else "")
            moment = float("inf")
            if until:
                moment = now - (wall - parse(until)).total_seconds() + SETTLE_SECONDS
            if moment < now - REMEMBERED_SECONDS or moment < begin:
                continue
            nodes.setdefault(node, []).append(Shift(begin, moment))
            if node == status.target.node and status.target.uid:
                pods[status.target.uid] = Shift(begin, moment)
    return {node: tuple(found) for node, found in nodes.items()}, pods


def undisturbed(series: Series, disturbed: tuple[Shift, ...]) -> Series:
    """Return the longest newest run of samples that no shift lies in or between.

    A run of fewer than ENOUGH_SAMPLES is passed over for the one before it, if that has more.
    """
    if not disturbed or not len(series):
        return series
    runs: list[tuple[int, int]] = []
    first: int | None = None
    last = float("-inf")
    for at, time in enumerate(series.times):
        inside = any(each.begin <= time <= each.end for each in disturbed)
        between = any(last < each.begin and each.end < time for each in disturbed)
        if first is not None and (inside or between):
            runs.append((first, at))
            first = None
        if first is None and not inside:
            first = at
        last = time
    if first is not None:
        runs.append((first, len(series)))
    if not runs:
        return Series()
    begin, end = next(
        (run for run in reversed(runs) if run[1] - run[0] >= ENOUGH_SAMPLES), runs[-1]
    )
    return Series(series.times[begin:end], series.values[begin:end])


def _arrived(one: Migration) -> str:
    """When the target had all its memory; empty: not yet."""
    paging = condition(one.status, Condition.PAGING)
    if paging is None:
        return one.status.resumed_at
    return "" if paging.status == "True" else paging.last_transition_time


def _released(one: Migration) -> str:
    """When the source gave its memory up; empty: not yet."""
    if not is_true(one.status, Condition.SOURCE_RELEASED):
        return ""
    found = condition(one.status, Condition.SOURCE_RELEASED)
    return found.last_transition_time if found else ""
