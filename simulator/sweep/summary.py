"""One line a cell: what its runs led to, with intervals.

Owns which figures there are, their names and units. It keeps no single run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from podferry.simulator import statistics
from podferry.simulator.model import GIB, Result
from podferry.simulator.statistics import Interval, Share
from podferry.simulator.sweep.cells import Cell
from podferry.simulator.sweep.journal import Journal


@dataclass(frozen=True, slots=True)
class Summary:
    """A cell and its runs; sums and means are of one run."""

    cell: Cell
    runs: int
    failing: Share
    """Runs with an eviction or an OOM kill."""
    over_capacity: Share
    """Runs in which some node held more than its memory: the seed's failure."""
    evictions: Interval
    oom_kills: Interval
    migrations: Interval
    failed_migrations: Interval
    freeze_seconds: Interval
    lost_pod_minutes: Interval
    queued_pod_minutes: Interval
    no_room: Interval
    mean_utilisation: Interval
    peak_utilisation: Interval
    unfinished: Interval


MEANS = (
    "evictions", "oom_kills", "migrations", "failed_migrations", "freeze_seconds",
    "lost_pod_minutes", "queued_pod_minutes", "no_room", "mean_utilisation", "peak_utilisation",
    "unfinished",
)  # fmt: skip
MINUTES = {"lost_pod_minutes": "lost_pod_seconds", "queued_pod_minutes": "queued_pod_seconds"}


def summarise(cells: Sequence[Cell], journal: Journal) -> list[Summary]:
    """Return a line for each cell with at least one run among the seeds that it asks for."""
    lines = []
    for cell in cells:
        kept = journal.of(cell.key())
        results = [kept[seed] for seed in cell.seeds if seed in kept]
        if results:
            lines.append(summary(cell, results))
    return lines


def summary(cell: Cell, results: Sequence[Result]) -> Summary:
    """Return the line of one cell's runs, at least one."""
    count = len(results)
    return Summary(
        cell=cell,
        runs=count,
        failing=statistics.share(sum(result.failed for result in results), count),
        over_capacity=statistics.share(sum(result.over_capacity for result in results), count),
        **{name: statistics.mean(_values(results, name), name) for name in MEANS},
    )


def _values(results: Iterable[Result], name: str) -> list[float]:
    scale = 60.0 if name in MINUTES else 1.0
    return [float(getattr(result, MINUTES.get(name, name))) / scale for result in results]


COLUMNS = (
    "group", "cell", "policy", "trace", "resample", "scale", "nodes", "node_memory_gib", "requests",
    "strategy", "speed_s_per_gib", "sampling_s", "noise", "failures", "seeds", "runs",
    "failing_runs", "failing_share", "failing_low", "failing_high", "failing_exact_high",
    "over_capacity_runs", "over_capacity_share",
    *(f"{name}{end}" for name in MEANS for end in ("", "_low", "_high")), "key",
)  # fmt: skip


def row(line: Summary) -> dict[str, str | int | float]:
    """Return a summary as flat data: COLUMNS, shares 0..1, means of one run."""
    values = line.cell.values
    seeds = line.cell.seeds
    flat: dict[str, str | int | float] = {
        "group": line.cell.group,
        "cell": line.cell.label,
        "policy": line.cell.policy_name,
        "trace": values["trace"],
        "resample": values["resample"],
        "scale": values["scale"],
        "nodes": values["nodes"],
        "node_memory_gib": values["node-memory"] / GIB,
        "requests": values["requests"],
        "strategy": values["strategy"],
        "speed_s_per_gib": values["speed"],
        "sampling_s": values["sampling"],
        "noise": values["noise"],
        "failures": values["failures"],
        "seeds": f"{seeds.start}-{seeds.stop - 1}",
        "runs": line.runs,
        "failing_runs": line.failing.hits,
        "failing_share": line.failing.value,
        "failing_low": line.failing.bootstrap.low,
        "failing_high": line.failing.bootstrap.high,
        "failing_exact_high": line.failing.exact.high,
        "over_capacity_runs": line.over_capacity.hits,
        "over_capacity_share": line.over_capacity.value,
    }
    for name in MEANS:
        interval: Interval = getattr(line, name)
        flat[name], flat[f"{name}_low"], flat[f"{name}_high"] = (
            interval.value, interval.low, interval.high,
        )  # fmt: skip
    flat["key"] = line.cell.key()
    return {
        name: float(f"{value:.6g}") if isinstance(value, float) else value
        for name, value in flat.items()
    }
