"""One record per move, and the CSV of all of them. Pure but for the file it is told to write."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.bench.stats import Cell, Turn

FIELDS = (
    "freeze",
    "gap",
    "prepare",
    "total",
    "own",
    "pause",
    "dump",
    "restore",
    "extra_rss",
    "extra_cgroup",
)
"""Columns that come first; seconds, but `extra_*` in MiB. Whatever else was measured follows."""


@dataclass(frozen=True, slots=True)
class Move:
    """What one move took; `why` is empty when it ended well, else the reason in words."""

    turn: Turn
    values: dict[str, float] = field(default_factory=dict)
    why: str = ""


def values(moves: Iterable[Move], cell: Cell, by: str, name: str) -> list[float]:
    """All measurements of one field in one cell by one mover; failed moves have none."""
    return [
        move.values[name]
        for move in moves
        if move.turn.cell == cell and move.turn.by == by and not move.why and name in move.values
    ]


def failures(moves: Iterable[Move], cell: Cell, by: str) -> list[str]:
    """Why moves of that cell failed, one text each."""
    return [m.why for m in moves if m.turn.cell == cell and m.turn.by == by and m.why]


def write_csv(path: Path, moves: Sequence[Move]) -> None:
    """One line per move, in the order in which they were made."""
    more = sorted({name for move in moves for name in move.values} - set(FIELDS))
    names = [*FIELDS, *more]
    with path.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["round", "owner", "mebibytes", "copy", "by", *names, "failure"])
        for move in moves:
            cell = move.turn.cell
            found = [f"{move.values[name]:.4f}" if name in move.values else "" for name in names]
            head = [move.turn.number, cell.owner, cell.mebibytes, cell.copy, move.turn.by]
            out.writerow([*head, *found, move.why])
