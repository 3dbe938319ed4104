"""Which report of an agent is believed. Pure: owns the reasons for doubt; keeps nothing.

An agent that is silent, late or talks nonsense makes its node an unknown one: nothing disruptive is
decided about it, and nothing is moved to it. Moments are the controller's monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from podferry.wire.memory import Report

SILENT_SECONDS = 30.0
"""A calm node answers within the wait of a poll, so this is twice that [s]."""
URGENT_SECONDS = 10.0
"""Nothing is decided about an urgent node on older samples [s]."""
LATE_SAMPLE_SECONDS = 10.0
"""A sampler that is so far behind does not work [s]."""
FROZEN_SECONDS = 300.0
"""A node whose every number stays the same to the byte for so long is not being measured [s]."""
CAPACITY_SHARE = 0.05
"""Agent and kubelet read the same file; more apart than this, one of them is wrong."""
PODS_OVER_NODE = 1.5
"""Sum of the pods' working sets beside the node's memory: shared pages are counted once."""


class Doubt(StrEnum):
    """Why a report, or a node, is not believed."""

    SILENT = "Silent"
    STALE = "Stale"
    FROZEN = "Frozen"
    BACKWARDS = "Backwards"
    NONSENSE = "Nonsense"
    WRONG_NODE = "WrongNode"


@dataclass(frozen=True, slots=True)
class Believed:
    """A report that counts."""

    report: Report
    at: float
    """When its newest sample was taken."""
    changed_at: float
    """When a number of it last differed from the one before."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A report that does not count."""

    doubt: Doubt
    message: str


def judge(
    node: str,
    report: Report,
    received: float,
    *,
    before: Believed | None,
    capacity: float | None,
) -> Believed | Refused:
    """Say whether a report is believed.

    Args:
        node: whose agent was asked.
        report: its answer, of the right shape.
        received: when it came.
        before: the last one that was believed.
        capacity: memory of the node as kubelet told the API server [bytes]; None: not known.
    """
    if report.node != node:
        return Refused(Doubt.WRONG_NODE, f"the agent asked on {node} speaks for {report.node}")
    late = max(LATE_SAMPLE_SECONDS, 5 * report.interval)
    if report.age > late:
        return Refused(
            Doubt.STALE,
            f"the newest sample of {node} is {report.age:.0f} s old, at most {late:.0f} s count;"
            " see the log of its agent",
        )
    nonsense = _nonsense(report, capacity)
    if nonsense:
        return Refused(Doubt.NONSENSE, f"{node}: {nonsense}")
    at = received - report.age
    if before is None or _began_anew(before.report, report):
        return Believed(report, at, at)
    if report.started < before.report.started and received - before.at > SILENT_SECONDS:
        # Two agents would both go on telling. One whose wall clock was set back began anew.
        return Believed(report, at, at)
    if report.started < before.report.started or report.seq < before.report.seq:
        return Refused(
            Doubt.BACKWARDS,
            f"{node} told sample {report.seq} after {before.report.seq}: two agents, or one that"
            " went back",
        )
    if report.seq == before.report.seq:
        return before
    if _numbers(report) != _numbers(before.report):
        return Believed(report, at, at)
    if at - before.changed_at > FROZEN_SECONDS:
        return Refused(
            Doubt.FROZEN,
            f"every number of {node} has been the same to the byte for"
            f" {at - before.changed_at:.0f} s: its agent counts but does not measure",
        )
    return Believed(report, at, before.changed_at)


def doubt_now(node: str, believed: Believed | None, now: float, silence: str) -> str:
    """Return why a node is unknown at this moment; empty: what it told still counts.

    Args:
        node: its name.
        believed: the last report that was.
        now: the moment.
        silence: what the last poll that failed said, "" if the last one went well.
    """
    said = f"; {silence}" if silence else ""
    if believed is None:
        return f"the agent of {node} has told nothing that counts yet{said}"
    age = now - believed.at
    most = URGENT_SECONDS if believed.report.urgent else SILENT_SECONDS
    if age > most:
        return f"what {node} told last is {age:.0f} s old, {most:.0f} s count{said}"
    return ""


def _began_anew(before: Report, now: Report) -> bool:
    return now.started > before.started or now.boot_id != before.boot_id


def _nonsense(report: Report, capacity: float | None) -> str:
    """What cannot be, in words; empty: nothing."""
    if report.available > report.capacity:
        return f"{report.available:.0f} bytes available of {report.capacity:.0f}"
    if report.available < -report.capacity:
        return f"{report.available:.0f} bytes available"
    if report.eviction >= report.capacity:
        return f"an eviction threshold of {report.eviction:.0f} of {report.capacity:.0f} bytes"
    if capacity and abs(report.capacity - capacity) > CAPACITY_SHARE * capacity:
        return (
            f"the agent counts {report.capacity:.0f} bytes of memory, kubelet {capacity:.0f};"
            " is it the agent of this node?"
        )
    if any(not 0 <= value <= 2 * report.capacity for _, value in report.samples):
        return f"a sample beyond its {report.capacity:.0f} bytes of memory"
    pods = sum(pod.working_set for pod in report.pods)
    if pods > PODS_OVER_NODE * report.capacity:
        return f"its pods use {pods:.0f} bytes of {report.capacity:.0f}"
    if len({pod.uid for pod in report.pods}) != len(report.pods):
        return "a pod is told twice"
    return ""


def _numbers(report: Report) -> tuple[object, ...]:
    return report.available, tuple((pod.uid, pod.working_set, pod.rss) for pod in report.pods)
