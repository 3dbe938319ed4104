"""Times a whole sweep as a person runs it: 30 cells of 500 seeds through the command line.

Owns the sweep file and its time by the clock; the results are thrown away.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

SEEDS, WORKERS = 500, 2
_BASE = {
    "detector": {"name": "threshold"},
    "victim": {"name": "big-enough"},
    "target": {"name": "least-used"},
    "gates": [{"name": "concurrent"}],
}
_DETECTORS = ("threshold", "slope", "last-mean", "local-regression", "time-to-exhaustion")
_VICTIMS = (
    "steepest-slope", "largest", "big-enough", "minimum-migration-time", "cost-benefit", "random",
)  # fmt: skip
CELLS = len(list(itertools.product(_DETECTORS, _VICTIMS)))


def plan(seeds: int) -> dict[str, Any]:
    """Return the sweep file: each detector with each victim rule, at 4 nodes and no requests."""
    return {
        "seeds": seeds,
        "set": {"trace": "o10n", "requests": 0, "nodes": 4, "speed": 3.35, "policy": "base"},
        "policies": {"base": _BASE},
        "grids": [
            {
                "name": "sweep",
                "grid": {
                    "policy.detector": [{"name": name} for name in _DETECTORS],
                    "policy.victim": [{"name": name} for name in _VICTIMS],
                },
            }
        ],
    }


def command(folder: Path, seeds: int) -> list[str]:
    """Write the sweep file into a folder and return the command that runs it."""
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(plan(seeds)))
    simulate = [sys.executable, "-m", "podferry.cli.main", "simulate"]
    results = ["--results", str(folder / "runs.csv"), "-o", "csv"]
    return [*simulate, "--sweep", str(path), "--workers", str(WORKERS), *results]


def timed(run: Callable[[list[str]], object], seeds: int = SEEDS) -> float:
    """Return the seconds by the clock; `run` runs a command and raises if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.monotonic()
        run(command(Path(folder), seeds))
        return time.monotonic() - begin
