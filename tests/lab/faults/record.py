"""The table that the cells write: one line a cell, appended at once."""

from __future__ import annotations

import csv
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

DEFAULT = Path(__file__).parents[3] / "build" / "faults.csv"


@dataclass(frozen=True)
class Row:
    """What one cell found. `freeze_seconds`: the longest time in which no copy ran, from the
    request to the end, the halt of the test included."""

    victim: str
    pid: str
    step: str
    owner: str
    copy: str
    outcome: str
    freeze_seconds: float
    lost: int
    doubled: int
    left_over: str
    cell_seconds: float


def append(row: Row) -> None:
    """Add a line to the file that PODFERRY_FAULTS_CSV names."""
    path = Path(os.environ.get("PODFERRY_FAULTS_CSV", DEFAULT))
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="") as out:
        writer = csv.DictWriter(out, [field.name for field in fields(Row)], lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(asdict(row))
