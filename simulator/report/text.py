"""Summaries as a text table, JSON or CSV.

Owns columns and rounding of the table. Shares in JSON and CSV are 0..1, in the table per cent.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from podferry.simulator.statistics import Share
from podferry.simulator.sweep.needed import LIMIT, needed
from podferry.simulator.sweep.summary import COLUMNS, Summary, row

HEAD = (
    "CELL", "RUNS", "FAILING", "95 %", "SEED'S", "EVICTED", "OOM", "MOVES", "FREEZE s", "LOST min",
    "QUEUED min", "USED",
)  # fmt: skip


def per_cent(value: float) -> str:
    """`12 %`, `0.74 %`: two digits that mean something."""
    number = 100 * value
    return f"{number:.0f} %" if number >= 10 or number == 0 else f"{number:.2g} %"


def interval(share: Share) -> str:
    """From the bootstrap's lower to the larger upper end, `0-0.74 %`."""
    low, high = share.bootstrap.low, share.upper
    return f"{per_cent(low).removesuffix(' %')}-{per_cent(high)}"


def amount(value: float) -> str:
    """A mean with as many digits as people read."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(lines: Sequence[Summary]) -> str:
    """Return a table a group, then the nodes needed where several numbers were tried."""
    parts = []
    for group in dict.fromkeys(line.cell.group for line in lines):
        rows = [HEAD, *(_row(line) for line in lines if line.cell.group == group)]
        parts.append(f"{group}\n{_columns(rows)}")
    enough = needed(lines)
    if enough:
        rows = [("SETTING", "NODES NEEDED", "TRIED")]
        rows += [
            (
                each.label,
                "none of these" if each.nodes is None else str(each.nodes),
                ", ".join(map(str, each.tried)),
            )
            for each in enough
        ]
        parts.append(
            f"nodes needed for less than {per_cent(LIMIT)} failing runs, by the upper end\n"
            + _columns(rows)
        )
    return "\n\n".join(parts)


def _row(line: Summary) -> tuple[str, ...]:
    return (
        line.cell.label,
        str(line.runs),
        per_cent(line.failing.value),
        interval(line.failing),
        per_cent(line.over_capacity.value),
        amount(line.evictions.value),
        amount(line.oom_kills.value),
        amount(line.migrations.value),
        amount(line.freeze_seconds.value),
        amount(line.lost_pod_minutes.value),
        amount(line.queued_pod_minutes.value),
        per_cent(line.mean_utilisation.value),
    )


def _columns(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "   ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(each, widths, strict=True))
        ).rstrip()
        for each in rows
    )


def as_json(lines: Sequence[Summary]) -> str:
    """Return one object: `cells`, and `nodesNeeded` where several numbers were tried."""
    enough = [
        {"group": each.group, "setting": each.label, "nodes": each.nodes, "tried": each.tried}
        for each in needed(lines)
    ]
    cells = [{**row(line), "settings": dict(line.cell.values)} for line in lines]
    return json.dumps({"cells": cells, "nodesNeeded": enough, "limit": LIMIT}, indent=2) + "\n"


def as_csv(lines: Sequence[Summary]) -> str:
    """Return one line a cell under COLUMNS."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row(line) for line in lines)
    return text.getvalue()
