"""Writes the tables of docs/reference/faults.md from the rows that `make test-faults` appends.

`python -m tools.faults_table CSV [CSV...]` prints them; what lies between the two marks of the page
is replaced with `--write`. Runs nothing.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "faults.md"
BEGIN, END = "<!-- table of real nodes: begin -->", "<!-- table of real nodes: end -->"
STEPS = (
    "target.Prepared", "source.Prepared", "source.Frozen", "target.Rehearsed", "source.Sealed",
    "target.Resumed", "source.Redirected", "source.Released", "target.Forgotten",
)  # fmt: skip
Row = dict[str, str]


def read(paths: list[Path]) -> list[Row]:
    """All rows of all files."""
    found: list[Row] = []
    for path in paths:
        with path.open(newline="") as source:
            found += csv.DictReader(source)
    return found


def by_victim(rows: list[Row]) -> list[str]:
    """One line a victim: n, lost, doubled, left over, how they ended, the longest freeze."""
    lines = [
        "| victim | n | lost | doubled | left over | moved | went back | longest freeze s, at |",
        "|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["victim"]].append(row)
    for victim, items in groups.items():
        worst = max(items, key=lambda item: float(item["freeze_seconds"]))
        moved = sum(item["outcome"].startswith("Succeeded") for item in items)
        back = sum("RolledBack" in item["outcome"] for item in items)
        lost, doubled = (sum(int(item[name]) for item in items) for name in ("lost", "doubled"))
        left = sum(bool(item["left_over"]) for item in items)
        lines.append(
            f"| {victim} | {len(items)} | {lost} | {doubled} | {left} | {moved} | {back}"
            f" | {worst['freeze_seconds']}, {worst['step']} |"
        )
    return lines


def by_step(rows: list[Row]) -> list[str]:
    """One line a victim, one column a step: freeze [s], and b where the move went back."""
    steps = [step for step in STEPS if any(row["step"] == step for row in rows)]
    lines = ["| victim | " + " | ".join(steps) + " |", "|---|" + "---|" * len(steps)]
    for victim in dict.fromkeys(row["victim"] for row in rows):
        cells = []
        for step in steps:
            found = [row for row in rows if (row["victim"], row["step"]) == (victim, step)]
            cells.append(", ".join(map(_cell, found)) or "–")
        lines.append(f"| {victim} | " + " | ".join(cells) + " |")
    return lines


def _cell(row: Row) -> str:
    bad = int(row["lost"]) or int(row["doubled"]) or row["left_over"]
    mark = " **failed**" if bad else " c" if "cancelled" in row["outcome"] else ""
    if not mark and "RolledBack" in row["outcome"]:
        mark = " b"
    return f"{float(row['freeze_seconds']):.2f}{mark}"


def render(rows: list[Row]) -> str:
    """Both kinds of table for each kind of move."""
    kinds = dict.fromkeys((row["owner"], row["copy"]) for row in rows)
    parts = []
    for owner, copy in kinds:
        mine = [row for row in rows if (row["owner"], row["copy"]) == (owner, copy)]
        parts += [f"#### {owner}, {copy}: {len(mine)} cells", ""]
        parts += [*by_victim(mine), "", *by_step(mine), ""]
    return "\n".join(parts)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    text = render(read(options.csv))
    if not options.write:
        print(text)
        return
    page = PAGE.read_text()
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n\n{text}\n{END}{tail}")


if __name__ == "__main__":
    main()
