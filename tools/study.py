"""Writes the tables of docs/explanation/heuristics-study.md from the CSV files of its sweeps.

Owns which table shows what. A test compares the page with what this makes, so no figure in a table
can be older than its CSV. Run as a program it writes the page anew: python -m tools.study
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from podferry.simulator.report.text import per_cent

DOCS = Path(__file__).resolve().parents[1] / "docs" / "explanation"
PAGE = DOCS / "heuristics-study.md"
FOLDER = DOCS / "study"
LIMIT = 0.01
QUEUE = 6.0
Row = dict[str, str]
Column = tuple[str, Callable[[Row], str]]


def rows(name: str, *groups: str) -> list[Row]:
    """Return the cells of a sweep, of all groups or of some."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if not groups or row["group"] in groups]


def upper(row: Row) -> float:
    """Return the end by which a claim is judged [0..1]."""
    return max(float(row["failing_high"]), float(row["failing_exact_high"]))


def failing(row: Row) -> str:
    """`1.2 % (0.4-2.6 %)`, bold where the upper end is below the limit."""
    low = per_cent(float(row["failing_low"])).removesuffix(" %")
    text = f"{per_cent(float(row['failing_share']))} ({low}-{per_cent(upper(row))})"
    return f"**{text}**" if upper(row) < LIMIT else text


def requests(row: Row) -> str:
    """How the requests of the trace count."""
    factor = float(row["requests"])
    return {1.0: "honoured", 0.0: "none"}.get(factor, f"x {factor:g}")


def figure(name: str) -> Callable[[Row], str]:
    """A mean of one run, three digits."""

    def show(row: Row) -> str:
        value = float(row[name])
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

    return show


def told(name: str) -> Callable[[Row], str]:
    """A column as it is."""
    return lambda row: row[name]


def share(name: str) -> Callable[[Row], str]:
    """A share in per cent."""
    return lambda row: per_cent(float(row[name]))


FAILING: Column = ("failing runs (95 %)", failing)
SEEDS: Column = ("seed's measure", share("over_capacity_share"))
RUNS: Column = ("runs", told("runs"))
NODES: Column = ("nodes", told("nodes"))
POLICY: Column = ("policy", told("policy"))
REQUESTS: Column = ("requests", requests)
SPEED: Column = ("s/GiB", told("speed_s_per_gib"))
MOVES: Column = ("moves", figure("migrations"))
FREEZE: Column = ("frozen s", figure("freeze_seconds"))
LOST: Column = ("lost pod-min", figure("lost_pod_minutes"))
QUEUED: Column = ("queued pod-min", figure("queued_pod_minutes"))
USED: Column = ("memory used", share("mean_utilisation"))
COST = (MOVES, FREEZE, LOST, QUEUED, USED)


def table(columns: Sequence[Column], lines: Sequence[Row]) -> str:
    """Return a Markdown table."""
    head = "| " + " | ".join(name for name, _ in columns) + " |"
    rule = "|" + "---|" * len(columns)
    body = ["| " + " | ".join(show(line) for _, show in columns) + " |" for line in lines]
    return "\n".join([head, rule, *body])


def matrix() -> str:
    """Failing runs of every detector with every victim rule."""
    found = rows("policies", "detector x victim")
    pairs = {(_part(row, 1), _part(row, 2)): row for row in found}
    detectors = list(dict.fromkeys(detector for detector, _ in pairs))
    victims = list(dict.fromkeys(victim for _, victim in pairs))
    lines = ["| victim \\ detector | " + " | ".join(detectors) + " |"]
    lines.append("|" + "---|" * (len(detectors) + 1))
    for victim in victims:
        cells = [per_cent(float(pairs[each, victim]["failing_share"])) for each in detectors]
        lines.append(f"| {victim} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _part(row: Row, at: int) -> str:
    return re.sub(r"\((usedPercent|freePercent|onlyIfEnough|several)[^)]*\)", "",
                  row["policy"].split(" / ")[at])  # fmt: skip


def needed() -> str:
    """Return how many nodes are enough for each setting that was tried with several."""
    lines = ["| setting | nodes needed | and with no queue | tried |", "|---|---|---|---|"]
    settings: dict[str, list[Row]] = {}
    for row in [*rows("without-moves"), *rows("claims")]:
        moved = row["policy"] not in ("none", "cordon-only", "evict-and-restart")
        speed = f", {row['speed_s_per_gib']} s/GiB" if moved else ""
        name = f"requests {requests(row)}, policy {row['policy']}{speed}"
        if not (row["policy"] == "none" and row["group"] == "nothing is moved"):
            settings.setdefault(name, []).append(row)
    for name, found in settings.items():
        ordered = sorted(found, key=lambda row: int(row["nodes"]))
        counts = [_smallest(ordered, float("inf")), _smallest(ordered, QUEUE)]
        tried = ", ".join(row["nodes"] for row in ordered)
        lines.append(f"| {name} | {counts[0]} | {counts[1]} | {tried} |")
    return "\n".join(lines)


def _smallest(ordered: Sequence[Row], queue: float) -> str:
    enough = "none of these"
    for row in reversed(ordered):
        if upper(row) >= LIMIT or float(row["queued_pod_minutes_high"]) >= queue:
            break
        enough = row["nodes"]
    return enough


def tables() -> dict[str, str]:
    """Return every table of the page by its name."""
    sensitivity = "sensitivity"
    return {
        "needed": needed(),
        "without": table(
            (REQUESTS, POLICY, NODES, RUNS, FAILING, SEEDS, LOST, QUEUED, USED),
            rows("without-moves"),
        ),
        "claims": table(
            (POLICY, SPEED, NODES, RUNS, FAILING, SEEDS, *COST), rows("claims")
        ),
        "matrix": matrix(),
        "speed": table(
            (POLICY, NODES, SPEED, RUNS, FAILING, MOVES, FREEZE, LOST),
            rows(sensitivity, "speed", "speed on 3 nodes"),
        ),
        "sampling": table(
            (POLICY, ("sampling s", told("sampling_s")), RUNS, FAILING, MOVES, LOST),
            rows(sensitivity, "sampling"),
        ),
        "noise": table(
            (POLICY, ("noise", share("noise")), RUNS, FAILING, MOVES, LOST),
            rows(sensitivity, "noise"),
        ),
        "failures": table(
            (POLICY, ("moves that fail", share("failures")), RUNS, FAILING, MOVES, LOST),
            rows(sensitivity, "failed moves"),
        ),
        "others": table(
            (("cell", told("cell")), RUNS, FAILING, MOVES, FREEZE, LOST),
            rows(sensitivity, "strategy", "steps instead of lines between samples"),
        ),
        "watched": table(
            (POLICY, NODES, RUNS, SEEDS, MOVES, FREEZE),
            rows(sensitivity, "nobody is killed, as in the seed's simulator"),
        ),
        "transfer": table(
            (("trace", told("group")), POLICY, NODES, RUNS, FAILING, SEEDS, *COST),
            rows("transfer"),
        ),
    }  # fmt: skip


def page(text: str) -> str:
    """Return the page with its tables anew; what stands between them is kept."""
    made = tables()

    def fill(match: re.Match[str]) -> str:
        return f"<!-- table {match[1]} -->\n{made[match[1]]}\n<!-- end -->"

    return re.sub(r"<!-- table ([a-z]+) -->\n.*?<!-- end -->", fill, text, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
