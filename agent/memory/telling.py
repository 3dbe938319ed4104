"""When a node's memory is urgent, when there is more to tell, and the report. Pure.

Owns the two rules that `wire.memory` describes. Never does: measure, wait, know the time.
"""

from __future__ import annotations

from dataclasses import dataclass

from podferry.agent.memory.history import History, Pod
from podferry.agent.memory.thresholds import Thresholds
from podferry.wire.memory import CHANGE_SHARE, MAX_PODS, Asked, PodMemory, Report

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class About:
    """What of a report is no sample. `started` is unix time, `interval` [s]."""

    node: str
    boot_id: str
    started: float
    interval: float


def urgency(
    capacity: float, available: float, slope: float, thresholds: Thresholds, asked: Asked
) -> str:
    """Why a node is urgent, in words with numbers; empty if it is not. Sizes [bytes, bytes/s]."""
    if asked.soft >= 100:
        return "asked for at any amount of available memory (soft=100)"
    limit = capacity * asked.soft / 100
    if available < limit:
        return (
            f"{available / _MIB:.0f} MiB are available, less than {asked.soft:g} % of"
            f" {capacity / _MIB:.0f} MiB"
        )
    threshold = max(thresholds.hard, thresholds.soft or 0.0)
    if slope > 0 and (available - threshold) / slope < asked.horizon:
        return (
            f"used memory grows by {slope / _MIB:.2f} MiB/s: the eviction threshold of"
            f" {threshold / _MIB:.0f} MiB is reached in {(available - threshold) / slope:.0f} s,"
            f" sooner than {asked.horizon:g} s"
        )
    return ""


def more(history: History, capacity: float, thresholds: Thresholds, asked: Asked) -> bool:
    """Whether there is more to tell than one knows who has the sample `asked.since`.

    Nothing is remembered of who asked before: what was told then follows from that sample.
    """
    newest, since = history.seq, asked.since
    if newest < 0 or since == newest:
        return False
    if not history.has(since) or history.came_or_went > since:
        return True
    if abs(history.used(newest) - history.used(since)) >= CHANGE_SHARE * capacity:
        return True
    was, now = (
        urgency(capacity, capacity - history.used(seq), history.slope(seq), thresholds, asked)
        for seq in (since, newest)
    )
    return bool(now) or bool(was)


def report(
    history: History,
    about: About,
    capacity: float,
    thresholds: Thresholds,
    asked: Asked,
    now: float,
) -> Report:
    """The report for one who asked; `history` has a sample. `now` is monotonic [s]."""
    seq = history.seq
    used, slope = history.used(seq), history.slope(seq)
    why = urgency(capacity, capacity - used, slope, thresholds, asked)
    # A `since` beyond our samples is of an agent that was here before.
    after = asked.since if asked.since <= seq else -1
    earliest = now - asked.history
    if not why:
        after, earliest = seq - 1, history.moment(seq)
    return Report(
        node=about.node,
        boot_id=about.boot_id,
        seq=seq,
        started=about.started,
        age=max(0.0, now - history.moment(seq)),
        interval=about.interval,
        capacity=capacity,
        available=capacity - used,
        eviction=thresholds.hard,
        eviction_source=thresholds.source,
        eviction_soft=thresholds.soft,
        urgent=bool(why),
        why=why,
        slope=slope,
        pressure=history.pressure,
        samples=tuple((now - when, value) for when, value in history.node(after, earliest)),
        pods=_pods(history, now, (after, earliest) if why else None),
    )


def _pods(history: History, now: float, wanted: tuple[int, float] | None) -> tuple[PodMemory, ...]:
    """The largest first, so that those left out above MAX_PODS are the smallest."""

    def size(item: tuple[str, Pod]) -> int:
        return item[1].reading.working_set

    return tuple(
        PodMemory(
            uid=uid,
            working_set=pod.reading.working_set,
            rss=pod.reading.rss,
            slope=history.slope_of(pod),
            age=now - pod.first,
            pressure=pod.reading.pressure,
            samples=()
            if wanted is None
            else tuple((now - when, value) for when, value in history.of(pod, *wanted)),
        )
        for uid, pod in sorted(history.pods.items(), key=size, reverse=True)[:MAX_PODS]
    )
