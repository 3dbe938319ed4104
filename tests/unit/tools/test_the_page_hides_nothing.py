"""What a run found, as a page and as a CSV."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from tools.bench import page, rows, wrapper
from tools.bench.page import Machine, Report
from tools.bench.rows import Move
from tools.bench.stats import Cell, Turn

CELL, OTHER = Cell("Deployment", 64, "StopAndCopy"), Cell("Deployment", 64, "PostCopy")
MACHINE = Machine(2, 24.0, "a processor", "6.1", 0.25, 1.5, "make bench", 3.0, "criu 4.2.1")


def move(seconds: float, by: str, cell: Cell = CELL, why: str = "") -> Move:
    found = {"freeze": seconds, "gap": seconds + 0.1, "sample_spacing": 0.005, "own": 0.05}
    return Move(Turn(0, cell, by), found, why)


MOVES = (
    move(0.6, "podferry"),
    move(0.4, "podferry"),
    move(0.5, "podferry"),
    move(0.4, "hand"),
    move(0.0, "podferry", OTHER, "RolledBack: because"),
)
REPORT = Report(MACHINE, [CELL, OTHER], MOVES)


def lines(report: Report, start: str) -> list[str]:
    return [line for line in page.render(report).splitlines() if line.startswith(start)]


def test_a_cell_shows_n_median_range_and_the_ratio() -> None:
    (line,) = [item for item in lines(REPORT, "| Deployment | 64 MiB | Stop") if "1.25" in item]
    assert "| 3 | 0.50 (0.40-0.60) | 1 | 0.40 (0.40-0.40) | 1.25 |" in line


def test_a_failed_cell_is_shown_as_failed_with_its_reason() -> None:
    assert "| Deployment | 64 MiB | PostCopy | 0 | failed | 0 | failed | - |" in page.render(REPORT)
    assert "PostCopy, podferry: RolledBack: because" in page.render(REPORT)


def test_a_failed_move_has_no_part_in_a_median() -> None:
    report = replace(REPORT, moves=(*MOVES, move(9.0, "podferry", CELL, "Failed: no")))
    assert lines(report, "| Deployment | 64 MiB | Stop") == lines(
        REPORT, "| Deployment | 64 MiB | Stop"
    )


@pytest.mark.parametrize("told", ["make bench", "2 cores", "kernel 6.1", "0.2 before", "1.5 after"])
def test_the_machine_its_load_and_the_command_are_named(told: str) -> None:
    assert told in page.render(REPORT)


def test_a_run_that_was_broken_off_says_so() -> None:
    report = replace(REPORT, note="This run was broken off.")
    assert "\n\n**This run was broken off.**\n" in page.render(report)


def test_a_wrapper_row_shows_what_the_front_adds_in_each_pair() -> None:
    found = wrapper.rows([{"call": "state", "behind": "runc", "pairs": [[2, 3], [4, 5], [6, 7.5]]}])
    (line,) = lines(replace(REPORT, wrapper=found), "| `state` |")
    assert "| 3 | 4.00 (3.00, 5.00) | 5.00 (4.00, 6.25) | 1.00 (1.00, 1.25) | 1.25 |" in line


def test_the_csv_has_every_move_and_the_reason_of_each_failure(tmp_path: Path) -> None:
    rows.write_csv(tmp_path / "all.csv", MOVES)
    with (tmp_path / "all.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [item["freeze"] for item in found] == ["0.6000", "0.4000", "0.5000", "0.4000", "0.0000"]
    assert [item["by"] for item in found] == ["podferry"] * 3 + ["hand", "podferry"]
    assert found[-1]["failure"] == "RolledBack: because"
