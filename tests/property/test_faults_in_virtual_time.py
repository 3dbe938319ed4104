"""Kill any part in any step, let the world move, or both at random: one copy runs, nothing is left.

`tools.chaos` has the worlds; a failure names the cell or the seed that shows it again.
"""

from __future__ import annotations

import pytest

from podferry.controller.core import freeze_first
from tools.chaos import cells
from tools.chaos.moves import MOVES
from tools.chaos.run import Report
from tools.chaos.victims import VICTIMS

SEEDS = 60
KINDS = ("Deployment", "StatefulSet")
"""Of the moves of the world; `python -m tools.chaos --moves 1` has all four."""


def check(how: str, report: Report) -> None:
    assert report.good, f"{how}: {report}"


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_victim_in_any_step_of_any_move_loses_nothing(victim: str) -> None:
    ran, refused = 0, set()
    for cell in cells.matrix():
        if cell.fault != victim:
            continue
        outcome = cells.run_cell(cell, 0)
        if outcome.report is None:
            refused.add(outcome.why_not)
            continue
        ran += 1
        check(str(cell), outcome.report)
        assert not outcome.report.waits_for or cell.copy == "PostCopy", str(cell)
    assert ran >= 4
    assert all(why.startswith(("PostCopy of a pod", f"no {victim} lives")) for why in refused)


@pytest.mark.parametrize("move", MOVES)
def test_the_world_moves_in_any_step(move: str) -> None:
    ran = 0
    for cell in cells.moves():
        if cell.fault == move and cell.copy == "StopAndCopy" and cell.kind in (*KINDS, "Job"):
            if cell.kind == "Job" and move != "Job finishes":
                continue
            outcome = cells.run_cell(cell, 0)
            if outcome.report is not None:
                ran += 1
                check(str(cell), outcome.report)
    assert ran


@pytest.mark.parametrize("first", range(1, SEEDS, 10))
def test_random_sequences_of_faults_lose_nothing(first: int) -> None:
    for seed in range(first, first + 10):
        _, report = cells.run_random(seed)
        check(f"python -m tools.chaos --replay {seed}", report)


def test_a_seed_decides_a_run() -> None:
    first, second = (cells.run_random(7) for _ in range(2))
    assert first[1] == second[1]
    assert first[0].trace == second[0].trace


@pytest.mark.parametrize("victim", VICTIMS)
def test_a_victim_in_any_step_of_a_move_that_froze_first_loses_nothing(victim: str) -> None:
    for cell in cells.matrix():
        if cell.fault == victim and cell.copy == "StopAndCopy" and cell.kind in KINDS:
            outcome = cells.run_cell(cell, 0, first=True)
            if outcome.report is not None:
                check(f"frozen first: {cell}", outcome.report)


def test_random_sequences_of_faults_lose_nothing_that_was_frozen_first() -> None:
    for seed in range(1, 21):
        _, report = cells.run_random(seed, first=True)
        check(f"python -m tools.chaos --freeze-first --replay {seed}", report)


def test_a_target_that_is_refused_for_ever_leaves_nothing_frozen_for_long() -> None:
    cell = cells.Cell("quota refuses for ever", "hold", "StopAndCopy", "Deployment")
    report = cells.run_cell(cell, 0, first=True).report
    assert report is not None
    check(str(cell), report)
    assert report.end == "RolledBack"
    assert report.freeze_seconds < freeze_first.PATIENCE_SECONDS + 2
