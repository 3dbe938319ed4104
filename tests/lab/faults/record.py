"""The table that the cells write: one line a cell, appended at once.

`python -m tests.lab.faults.record FILE` counts a table in one line and ends with 1 if a cell lost,
doubled or left something.
"""

from __future__ import annotations

import csv
import os
import sys
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


def read(path: Path) -> list[Row]:
    """Every line of a table; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as source:
        return [
            Row(**{
                **raw,
                "freeze_seconds": float(raw["freeze_seconds"]),
                "lost": int(raw["lost"]),
                "doubled": int(raw["doubled"]),
                "cell_seconds": float(raw["cell_seconds"]),
            })
            for raw in csv.DictReader(source)
        ]  # fmt: skip


def main(path: Path) -> int:
    """Print the counts; the exit code says whether all was well."""
    rows = read(path)
    left = sum(bool(row.left_over) for row in rows)
    lost, doubled = sum(row.lost for row in rows), sum(row.doubled for row in rows)
    print(f"{len(rows)} cells: {lost} lost, {doubled} doubled, {left} left something over")
    return int(bool(lost or doubled or left))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
