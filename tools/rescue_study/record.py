"""The CSV files of the study: what was measured, kept whole and read again.

Owns their columns. Cells of an earlier run stay until the same cell is measured again, so that a
study may be made in several sittings.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tools.rescue_study.outcome import Outcome, Raw, measured, phase, unix
from tools.rescue_study.predicted import Fitted, Predicted
from tools.rescue_study.scene import Scene

Row = dict[str, str]
Key = Callable[[Row], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Cell:
    """One played scene: what was measured, and what the simulator says of the same."""

    outcome: Outcome
    false_alarms: int | None
    capacity_mib: float
    """Of a node."""
    threshold_mib: float
    """kubelet's."""
    system_mib: float
    """Used before any workload is there."""
    scale: float
    compression: float
    p99_growth_mib: float
    most_growth_mib: float


def cell_row(cell: Cell) -> Row:
    """A row of cells.csv."""
    flat = asdict(cell.outcome) | {
        field.name: getattr(cell, field.name) for field in fields(cell) if field.name != "outcome"
    }
    return {name: _text(value) for name, value in flat.items()}


def predicted_row(scene: Scene, mode: str, found: Predicted, fitted: Fitted) -> Row:
    """A row of predicted.csv."""
    head = {"trace": scene.trace, "seed": str(scene.seed), "mode": mode}
    model = fitted.model
    about = {
        "move_seconds": model.seconds,
        "move_per_gib": model.per_gib,
        "move_prepare": model.prepare,
        "move_p95_of_p50": model.p95_of_p50,
        "move_post_copy": model.post_copy,
        "fitted_to_moves": fitted.moves,
    }
    return head | {name: _text(value) for name, value in (asdict(found) | about).items()}


def move_rows(trace: str, seed: int, mode: str, raw: Raw) -> list[Row]:
    """Rows of moves.csv, one a Migration."""
    rows = []
    for move in raw.moves:
        status = move.get("status") or {}
        frozen = unix(status.get("frozenAt"))
        asked = unix(move["metadata"].get("creationTimestamp"))
        rows.append(
            {
                "trace": trace,
                "seed": str(seed),
                "mode": mode,
                "workload": str(move["spec"]["workloadRef"]["name"]),
                "source": str((status.get("source") or {}).get("node", "")),
                "target": str((status.get("target") or {}).get("node", "")),
                "phase": phase(move),
                "copy": str(status.get("copy", "")),
                "asked_after": _text(None if asked is None else asked - raw.began),
                "frozen_after": _text(None if frozen is None else frozen - raw.began),
                "freeze_seconds": _text(measured(move, "freezeSeconds")),
                "total_seconds": _text(measured(move, "totalSeconds")),
                "bytes": _text(measured(move, "bytes")),
            }
        )
    return rows


def sample_rows(trace: str, seed: int, mode: str, raw: Raw) -> list[Row]:
    """Rows of samples.csv: what each node used, once a second."""
    return [
        {
            "trace": trace,
            "seed": str(seed),
            "mode": mode,
            "node": node,
            "second": f"{each.at - raw.began:.1f}",
            "available_mib": f"{raw.capacity - each.used:.1f}",
            "pods_mib": f"{each.pods:.1f}",
        }
        for node, samples in raw.nodes.items()
        for each in samples
    ]


def key(row: Row) -> tuple[str, ...]:
    """What a row is about: trace, seed, mode."""
    return row["trace"], row["seed"], row["mode"]


def read(path: Path) -> list[Row]:
    """The rows of a file; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def merge(path: Path, new: Sequence[Row]) -> list[Row]:
    """Write new rows in place of the older ones about the same, and return all."""
    about = {key(row) for row in new}
    rows = sorted([*(row for row in read(path) if key(row) not in about), *new], key=key)
    if rows:
        write(path, rows)
    return rows


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write a file whole; a reader sees the old one or the new one."""
    rows = list(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    with new.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    new.replace(path)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)
