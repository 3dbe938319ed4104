"""What a played scene led to, from what the cluster and the programs beside it said. Pure.

Owns the definitions: what an eviction is, what progress is lost, what a false alarm is, what lead
time is. docs/explanation/rescue-study.md tells them to people.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from podferry.api.reasons import TERMINAL

MIB = 2**20
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NodeSample:
    """A node at a moment: unix time, what it uses and what its pods use [MiB]."""

    at: float
    used: float
    pods: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a workload said of itself; `boot` is empty where it did not answer."""

    at: float
    name: str
    boot: str = ""
    ran: float = 0.0
    """Own running time [s]."""


@dataclass(slots=True)
class Raw:
    """Everything that was seen of one cell."""

    began: float
    """Unix time at which all workloads ran."""
    nodes: Mapping[str, list[NodeSample]]
    answers: list[Answer]
    capacity: float
    """Of a node [MiB]."""
    threshold: float
    """kubelet's [MiB]."""
    wanted: dict[str, float] = field(default_factory=dict)
    """Node -> unix time at which the policy first moved or would have moved from it."""
    evicted: dict[str, str] = field(default_factory=dict)
    """Uid of each pod that kubelet evicted -> its node."""
    oom_killed: dict[str, str] = field(default_factory=dict)
    """Each container that the kernel killed -> its node."""
    moves: list[Object] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One cell in numbers; the columns of cells.csv."""

    trace: str
    seed: int
    mode: str
    evictions: int
    oom_kills: int
    migrations: int
    failed_migrations: int
    freeze_seconds: float
    lost_pod_minutes: float
    longest_gap_seconds: float
    extra_source_mib: float | None
    """Most that a source used beside its pods during moves, above its median before them."""
    lead_seconds: float | None
    """From the first decision about a node to the first sample below kubelet's threshold."""
    full_after_seconds: float | None
    """Until the first node was below the threshold; None: none was."""


def outcome(trace: str, seed: int, mode: str, raw: Raw) -> Outcome:
    """Sum a cell up."""
    done = [move for move in raw.moves if phase(move) == "Succeeded"]
    ended = [move for move in raw.moves if phase(move) in TERMINAL and phase(move) != "Succeeded"]
    full = [at for name in raw.nodes if (at := below(raw, name)) is not None]
    return Outcome(
        trace=trace,
        seed=seed,
        mode=mode,
        evictions=len(raw.evicted),
        oom_kills=len(raw.oom_killed),
        migrations=len(done),
        failed_migrations=len(ended),
        freeze_seconds=round(sum(measured(move, "freezeSeconds") for move in done), 3),
        lost_pod_minutes=round(lost_seconds(raw.answers) / 60.0, 3),
        longest_gap_seconds=round(longest_gap(raw.answers), 2),
        extra_source_mib=extra(raw),
        lead_seconds=lead(raw),
        full_after_seconds=round(min(full) - raw.began, 1) if full else None,
    )


def phase(move: Object) -> str:
    """Phase of a Migration."""
    return str((move.get("status") or {}).get("phase") or "")


def measured(move: Object, name: str) -> float:
    """A number of `status.measured`, 0 where it was not measured."""
    return float(((move.get("status") or {}).get("measured") or {}).get(name) or 0.0)


def lost_seconds(answers: Iterable[Answer]) -> float:
    """Return the running time of processes that were replaced by new ones [s].

    What a process had done since its last answer is not known and not counted.
    """
    newest: dict[str, Answer] = {}
    lost = 0.0
    for answer in answers:
        if not answer.boot:
            continue
        before = newest.get(answer.name)
        if before is not None and before.boot != answer.boot:
            lost += before.ran
        newest[answer.name] = answer
    return lost


def longest_gap(answers: Iterable[Answer]) -> float:
    """Return the longest time between two answers of one workload [s]."""
    newest: dict[str, float] = {}
    longest = 0.0
    for answer in answers:
        if answer.boot:
            longest = max(longest, answer.at - newest.get(answer.name, answer.at))
            newest[answer.name] = answer.at
    return longest


def below(raw: Raw, node: str) -> float | None:
    """Return when the node was first below kubelet's threshold (unix time); None: never."""
    top = raw.capacity - raw.threshold
    return next((each.at for each in raw.nodes[node] if each.used > top), None)


def lead(raw: Raw) -> float | None:
    """Return the shortest lead time [s]; None where no node that was decided about ran full."""
    found = [
        at - when
        for node, when in raw.wanted.items()
        if node in raw.nodes and (at := below(raw, node)) is not None
    ]
    return round(min(found), 1) if found else None


def extra(raw: Raw) -> float | None:
    """Return what moves cost their source in memory beside its pods [MiB]; None: no move."""
    most: float | None = None
    for move in raw.moves:
        status = move.get("status") or {}
        node = (status.get("source") or {}).get("node")
        began, ended = unix(status.get("startedAt")), unix(status.get("completedAt"))
        samples = raw.nodes.get(str(node), [])
        if began is None or ended is None or not samples:
            continue
        before = [each.used - each.pods for each in samples if each.at < began]
        during = [each.used - each.pods for each in samples if began <= each.at <= ended + 1]
        if before and during:
            most = max(most or 0.0, max(during) - statistics.median(before))
    return None if most is None else round(most, 1)


def false_alarms(act: Raw, off: Raw | None) -> int | None:
    """Return the moves off nodes that lost no pod in the `off` run of the same seed.

    None where that run was not measured.
    """
    if off is None:
        return None
    failing = {*off.evicted.values(), *off.oom_killed.values()}
    sources = [((move.get("status") or {}).get("source") or {}).get("node") for move in act.moves]
    return sum(1 for node in sources if node not in failing)


def unix(text: str | None) -> float | None:
    """Return a time of the API as unix time; None where there is none."""
    return datetime.fromisoformat(text).timestamp() if text else None
