"""Writes the tables of docs/explanation/rescue-study.md from the study's CSV files.

Owns which table shows what. The words around the tables are written by hand; what stands between a
pair of markers is replaced. A test compares the page with what this makes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from podferry.simulator.report import svg
from tools.rescue_study import record
from tools.rescue_study.record import Row

DOCS = Path(__file__).resolve().parents[2] / "docs" / "explanation"
PAGE = DOCS / "rescue-study.md"
FOLDER = DOCS / "rescue-study"
MODES = ("off", "DryRun", "Act")
STYLE = (
    "<style>text{font:12px sans-serif;fill:#444}line.scale{stroke:#ddd}"
    "line.limit{stroke:#c00;stroke-dasharray:4}polyline{fill:none;stroke-width:1.5}"
    ".s0 polyline{stroke:#0a58ca}.s1 polyline{stroke:#198754}.s0 circle,.s1 circle,"
    ".s0 line,.s1 line{display:none}</style>"
)
STEP = 20
"""Seconds between the points of a plot."""
Column = tuple[str, Callable[[Row], str]]


def table(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Return rows as a Markdown table."""
    head = "| " + " | ".join(name for name, _ in columns) + " |"
    line = "|" + "---|" * len(columns)
    return "\n".join(
        [head, line, *("| " + " | ".join(of(row) for _, of in columns) + " |" for row in rows)]
    )


def measured(cells: Sequence[Row]) -> str:
    """The table of cells, one row each."""
    names = (
        ("trace", "trace"),
        ("seed", "seed"),
        ("podferry", "mode"),
        ("evictions", "evictions"),
        ("OOM kills", "oom_kills"),
        ("moves", "migrations"),
        ("failed or taken back", "failed_migrations"),
        ("freeze [s]", "freeze_seconds"),
        ("lost [pod-min]", "lost_pod_minutes"),
        ("longest gap [s]", "longest_gap_seconds"),
        ("extra on source [MiB]", "extra_source_mib"),
        ("lead [s]", "lead_seconds"),
        ("false alarms", "false_alarms"),
    )
    return table(cells, [(title, _of(name)) for title, name in names])


def summary(cells: Sequence[Row]) -> str:
    """The table of modes: sums over the seeds that were measured in both `off` and that mode."""
    lines = []
    for trace in sorted({row["trace"] for row in cells}):
        off = {row["seed"]: row for row in cells if (row["trace"], row["mode"]) == (trace, "off")}
        for mode in MODES[1:]:
            both = [
                row
                for row in cells
                if row["trace"] == trace and row["mode"] == mode and row["seed"] in off
            ]
            if both:
                lines.append(_pair(trace, mode, [off[row["seed"]] for row in both], both))
    names = ("trace", "mode", "seeds", "lost pods off", "lost pods", "prevented", "moves",
             "freeze [s]", "lost off [pod-min]", "lost [pod-min]", "false alarms")  # fmt: skip
    return table(lines, [(name, _of(name)) for name in names])


def _pair(trace: str, mode: str, off: Sequence[Row], rows: Sequence[Row]) -> Row:
    lost = [sum(int(r["evictions"]) + int(r["oom_kills"]) for r in them) for them in (off, rows)]
    alarms = [row["false_alarms"] for row in rows if row["false_alarms"]]
    return {
        "trace": trace,
        "mode": mode,
        "seeds": str(len(rows)),
        "lost pods off": str(lost[0]),
        "lost pods": str(lost[1]),
        "prevented": f"{100 * (1 - lost[1] / lost[0]):.0f} %" if lost[0] else "nothing to prevent",
        "moves": _sum(rows, "migrations"),
        "freeze [s]": _sum(rows, "freeze_seconds"),
        "lost off [pod-min]": _sum(off, "lost_pod_minutes"),
        "lost [pod-min]": _sum(rows, "lost_pod_minutes"),
        "false alarms": str(sum(map(int, alarms))) if alarms else "",
    }


def compared(cells: Sequence[Row], predicted: Sequence[Row]) -> str:
    """The table of measured and simulated, with the error of the simulator."""
    by_key = {record.key(row): row for row in predicted}
    lines: list[Row] = []
    for row in cells:
        said = by_key.get(record.key(row))
        if said is None or row["mode"] == "DryRun":
            continue
        line = {"trace": row["trace"], "seed": row["seed"], "podferry": row["mode"]}
        for title, name in (
            ("evictions", "evictions"),
            ("OOM kills", "oom_kills"),
            ("moves", "migrations"),
            ("freeze [s]", "freeze_seconds"),
        ):
            line[title] = _error(float(row[name]), float(said[name]))
        lines.append(line)
    names = ("trace", "seed", "podferry", "evictions", "OOM kills", "moves", "freeze [s]")
    return table(lines, [(name, _of(name)) for name in names])


def bounds(cells: Sequence[Row]) -> str:
    """The table of what each scene was scaled by and what its nodes grow in 10 s."""
    seen: dict[tuple[str, str], Row] = {}
    for row in cells:
        seen.setdefault((row["trace"], row["seed"]), row)
    names = (
        ("trace", "trace"),
        ("seed", "seed"),
        ("MiB for a GiB", "scale"),
        ("times faster", "compression"),
        ("p99 growth in 10 s [MiB]", "p99_growth_mib"),
        ("most [MiB]", "most_growth_mib"),
    )
    return table(list(seen.values()), [(title, _of(name)) for title, name in names])


def plot(samples: Sequence[Row], threshold: float) -> str:
    """What the fullest node of a cell had available, a line a mode."""
    lines = []
    for mode in MODES:
        least: dict[int, float] = {}
        for row in samples:
            if row["mode"] == mode and float(row["second"]) >= 0:
                at = int(float(row["second"]) // STEP) * STEP
                least[at] = min(least.get(at, 1e9), float(row["available_mib"]))
        if least and mode != "DryRun":
            points = tuple((at, value, value, value) for at, value in sorted(least.items()))
            lines.append(svg.Line(mode, points))
    text = svg.chart(lines, "s", "MiB available on the fullest node", threshold)
    return text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(
        ">", ">" + STYLE, 1
    )


def parts(folder: Path) -> dict[str, str]:
    """Every generated part of the page by its marker."""
    cells = record.read(folder / "cells.csv")
    return {
        "bounds": bounds(cells),
        "cells": measured(cells),
        "summary": summary(cells),
        "simulator": compared(cells, record.read(folder / "predicted.csv")),
    }


def filled(page: str, made: dict[str, str]) -> str:
    """Return the page with its parts replaced."""
    for name, text in made.items():
        marks = f"<!-- {name} -->", f"<!-- end of {name} -->"
        pattern = re.escape(marks[0]) + r".*?" + re.escape(marks[1])
        whole = f"{marks[0]}\n{text}\n{marks[1]}"
        page = re.sub(pattern, lambda _, whole=whole: whole, page, flags=re.S)  # type: ignore[misc]
    return page


def update() -> None:
    """Write tables and plots from the CSV files that are there."""
    threshold = float(record.read(FOLDER / "cells.csv")[0]["threshold_mib"])
    samples = record.read(FOLDER / "samples.csv")
    for trace, seed in sorted({(row["trace"], row["seed"]) for row in samples}):
        own = [row for row in samples if (row["trace"], row["seed"]) == (trace, seed)]
        (FOLDER / f"{trace}-{seed}.svg").write_text(plot(own, threshold) + "\n")
    PAGE.write_text(filled(PAGE.read_text(), parts(FOLDER)))


def _of(name: str) -> Callable[[Row], str]:
    return lambda row: row.get(name) or "-"


def _sum(rows: Sequence[Row], name: str) -> str:
    return f"{sum(float(row[name]) for row in rows):.4g}"


def _error(measured_: float, said: float) -> str:
    if measured_ == 0:
        return f"0 / {said:.3g}"
    return f"{measured_:.3g} / {said:.3g} ({100 * (said - measured_) / measured_:+.0f} %)"
