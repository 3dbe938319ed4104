"""Small traces and runs that need no engine."""

from __future__ import annotations

from pathlib import Path

from podferry.simulator.model import Result, Scenario
from podferry.simulator.sweep.work import Engine

CSV = "pod,time,memory\n"


def trace_file(folder: Path, name: str = "small.csv") -> Path:
    """A trace of two pods with 1 and 2 GiB."""
    path = folder / name
    rows = [
        f"{pod},{60 * at},{size * 2**30}" for pod, size in (("a", 1), ("b", 2)) for at in (0, 1)
    ]
    path.write_text(CSV + "\n".join(rows) + "\n")
    return path


def fake_run(scenario: Scenario, seed: int) -> Result:
    """Every fourth seed fails on one node, none on more; migrations count the nodes."""
    fails = seed % 4 == 0 and scenario.cluster.nodes == 1
    return Result(
        seed,
        evictions=int(fails),
        migrations=scenario.cluster.nodes if scenario.policy else 0,
        freeze_seconds=seed * 0.1,
        mean_utilisation=0.25,
    )


ENGINE = Engine(lambda scenario: scenario, fake_run)
