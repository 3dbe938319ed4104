"""Reads podferry's own trace format: a CSV with a header (docs/reference/trace-format.md).

Owns its columns. One row is one sample of one pod; rows of several pods may be mixed, those of one
pod are in the order of time.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

from podferry.simulator.errors import BadInput
from podferry.simulator.model import Trace
from podferry.simulator.traces import build, files

NEEDED = ("pod", "time", "memory")
OPTIONAL = ("request", "limit", "cpu", "priority")


@dataclass(slots=True)
class _Rows:
    asked: build.Asked
    times: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def load(path: Path, budget: build.Budget) -> Trace:
    """Return the trace in `path`.

    Raises:
        BadInput: with the line.
    """
    reader = csv.reader(files.lines(path), strict=True)
    pods: dict[str, _Rows] = {}
    try:
        header = _header(path, next(reader, None))
        for cells in reader:
            if cells:
                _row(f"{path}: line {reader.line_num}", header, cells, pods)
                budget.samples(str(path), 1)
    except csv.Error as error:
        raise BadInput(f"{path}: line {reader.line_num}: not CSV: {error}") from error
    gaps = (
        b - a for rows in pods.values() for a, b in zip(rows.times, rows.times[1:], strict=False)
    )
    step = build.usual_step(gaps)
    made = [
        build.pod(name, rows.times, rows.memory, step, rows.asked) for name, rows in pods.items()
    ]
    return build.trace(path.name, str(path), made, step, path.name)


def _header(path: Path, cells: list[str] | None) -> list[str]:
    if cells is None:
        raise BadInput(f"{path}: the trace is empty: the file has no line")
    known = NEEDED + OPTIONAL
    for cell in cells:
        if cell not in known:
            raise BadInput(
                f"{path}: line 1: unknown column {cell[:40]!r}; known: {', '.join(known)}"
            )
        if cells.count(cell) > 1:
            raise BadInput(f"{path}: line 1: column {cell!r} is there twice")
    for name in NEEDED:
        if name not in cells:
            raise BadInput(f"{path}: line 1: column {name!r} is missing")
    return cells


def _row(place: str, header: list[str], cells: list[str], pods: dict[str, _Rows]) -> None:
    if len(cells) != len(header):
        raise BadInput(f"{place}: {len(cells)} values in {len(header)} columns; is it cut off?")
    row = dict(zip(header, cells, strict=True))
    if not row["pod"]:
        raise BadInput(f"{place}: the pod has no name")
    asked = _asked(place, row)
    rows = pods.setdefault(row["pod"], _Rows(asked))
    if rows.asked != asked:
        raise BadInput(
            f"{place}: pod {row['pod']!r} asks for other things than in its first row; "
            "request, limit, cpu and priority of a pod do not change"
        )
    now = build.time_value(place, row["time"])
    build.rising(f"{place} (pod {row['pod']!r})", rows.times[-1] if rows.times else None, now)
    rows.times.append(now)
    rows.memory.append(build.memory_value(place, row["memory"]))


def _asked(place: str, row: dict[str, str]) -> build.Asked:
    def number(name: str) -> float:
        text = row.get(name, "")
        return build.memory_value(f"{place}: column {name}", text) if text else 0.0

    try:
        priority = int(row.get("priority", "") or 0)
    except ValueError:
        raise BadInput(
            f"{place}: priority {row['priority'][:20]!r} is not a whole number"
        ) from None
    limit = number("limit") if row.get("limit") else None
    return build.Asked(number("request"), limit, number("cpu"), priority)
