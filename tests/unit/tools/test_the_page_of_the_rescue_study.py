"""The page of the rescue study: what it shows of the CSV files, and what of them it leaves open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from podferry.simulator.model import MoveModel
from tools.rescue_study import page, record
from tools.rescue_study.outcome import Outcome
from tools.rescue_study.predicted import Fitted, Predicted
from tools.rescue_study.scene import Scene

OFF = Outcome(
    trace="t",
    seed=0,
    mode="off",
    evictions=4,
    oom_kills=1,
    migrations=0,
    failed_migrations=0,
    freeze_seconds=0.0,
    lost_pod_minutes=3.5,
    longest_gap_seconds=4.0,
    extra_source_mib=None,
    lead_seconds=None,
    full_after_seconds=60.0,
)
ACT = replace(OFF, mode="Act", evictions=1, oom_kills=0, migrations=2, freeze_seconds=2.0)
SCENE = Scene("t", 0, 180, 2, (), 20.0, 10.0, 50.0, 60.0)


def cell(outcome: Outcome, alarms: int | None = None) -> record.Row:
    return record.cell_row(
        record.Cell(outcome, alarms, 2048.0, 100.0, 340.0, 20.0, 10.0, 50.0, 60.0)
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    record.merge(tmp_path / "cells.csv", [cell(OFF), cell(ACT, 1)])
    said = Predicted(0.0, 0.0, 2.2, 1.5, 0.0)
    row = record.predicted_row(SCENE, "Act", said, Fitted(MoveModel(), 2))
    record.merge(tmp_path / "predicted.csv", [row])
    return tmp_path


def test_what_was_prevented_counts_evictions_and_kills_of_both_runs_of_a_seed(folder: Path) -> None:
    (line,) = page.parts(folder)["summary"].splitlines()[2:]
    assert "| 1 | 5 | 1 | 80 % |" in line


def test_a_mode_without_its_off_run_is_not_in_the_summary() -> None:
    assert "Act" not in page.summary([cell(ACT)])


def test_the_error_is_that_of_the_simulator_against_what_was_measured(folder: Path) -> None:
    made = page.parts(folder)["simulator"]
    assert "2 / 2.2 (+10 %)" in made
    assert "2 / 1.5 (-25 %)" in made


def test_what_was_not_measured_is_a_dash(folder: Path) -> None:
    off = next(line for line in page.parts(folder)["cells"].splitlines() if "| off |" in line)
    assert off.rstrip().endswith("| - | - | - |")


def test_a_plot_has_a_line_for_off_and_one_for_act() -> None:
    samples = [
        {"mode": mode, "node": "node-a", "second": str(k), "available_mib": "500", "pods_mib": "1"}
        for mode in ("off", "DryRun", "Act")
        for k in range(0, 100, 5)
    ]
    text = page.plot(samples, 100.0)
    assert text.count("<polyline") == 2
    assert "xmlns" in text
