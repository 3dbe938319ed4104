"""How many nodes are enough: the smallest number that keeps failing runs under a limit.

Owns the judgement. Cells that differ in nothing but `nodes` are one row; a number of nodes is
enough if the upper end of its 95 % interval is below the limit, and so is that of every larger
number that was tried. It runs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from podferry.simulator.sweep.summary import Summary

LIMIT = 0.01
"""Of runs with an eviction or an OOM kill."""


@dataclass(frozen=True, slots=True)
class Needed:
    """One setting over all numbers of nodes that were tried."""

    group: str
    label: str
    lines: tuple[Summary, ...]
    """By number of nodes, rising."""
    nodes: int | None
    """Enough; None: no number that was tried."""

    @property
    def tried(self) -> tuple[int, ...]:
        """The numbers of nodes."""
        return tuple(line.cell.values["nodes"] for line in self.lines)


def needed(lines: Sequence[Summary], limit: float = LIMIT) -> list[Needed]:
    """Return one row for each setting that was tried with more than one number of nodes."""
    rows: dict[str, list[Summary]] = {}
    for line in lines:
        rows.setdefault(_but_nodes(line), []).append(line)
    return [_row(found, limit) for found in rows.values() if len(found) > 1]


def _but_nodes(line: Summary) -> str:
    values = {name: value for name, value in line.cell.values.items() if name != "nodes"}
    return json.dumps([line.cell.group, values, line.cell.policy], sort_keys=True, default=str)


def _row(lines: list[Summary], limit: float) -> Needed:
    ordered = sorted(lines, key=lambda line: int(line.cell.values["nodes"]))
    enough: int | None = None
    for line in reversed(ordered):
        if line.failing.upper >= limit:
            break
        enough = line.cell.values["nodes"]
    varied = [f"{name} {text}" for name, text in ordered[0].cell.varied.items() if name != "nodes"]
    label = ", ".join(varied) or ordered[0].cell.policy_name
    return Needed(ordered[0].cell.group, label, tuple(ordered), enough)
