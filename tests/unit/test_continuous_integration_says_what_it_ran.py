"""`.ci/run` with a make that only writes down what it was asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "run"
MAKE = """#!/bin/bash
echo "$1" >> asked
[ "$1" != test ] || exit "${FAKE_TEST:-0}"
sleep "${FAKE_SLEEP:-0}"
exit "${FAKE_FAULTS:-0}"
"""
COUNT = """#!/bin/bash
echo "2 cells: 0 lost, 0 doubled, 0 left something over"
exit "${FAKE_COUNT:-0}"
"""


def run(folder: Path, **settings: str) -> tuple[int, str, list[str]]:
    """Exit code, last line, and what make was asked for."""
    for place, text in (("bin/make", MAKE), (".venv/bin/python", COUNT)):
        path = folder / place
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(0o755)
    (folder / ".ci").mkdir()
    shutil.copy(SCRIPT, folder / ".ci" / "run")
    path = f"{folder}/bin:{os.environ['PATH']}"
    env = {"PATH": path, "PODFERRY_LAB_HOME": str(folder / "labs"), **settings}
    done = subprocess.run(
        ["bash", str(folder / ".ci" / "run")], env=env, capture_output=True, text=True, check=False
    )
    return (
        done.returncode,
        done.stdout.strip().splitlines()[-1],
        (folder / "asked").read_text().split(),
    )


def test_the_fault_suite_follows_while_time_is_left(tmp_path: Path) -> None:
    code, said, asked = run(tmp_path)
    assert (code, asked) == (0, ["test", "test-faults"])
    assert said.startswith("suite run: test-faults, 2 cells")


def test_it_is_not_begun_when_the_tests_took_long(tmp_path: Path) -> None:
    code, said, asked = run(tmp_path, FAULTS_START_MINUTES="0")
    assert (code, asked) == (0, ["test"])
    assert said.startswith("suite not run: test-faults, because make test took 0 minutes")


def test_it_is_cut_off_in_the_end_and_that_is_said(tmp_path: Path) -> None:
    code, said, _ = run(tmp_path, FAULTS_MINUTES="0.005", FAKE_SLEEP="30")
    assert code == 0
    assert said.startswith("suite cut off after 0.005 minutes: test-faults, until then 2 cells")


@pytest.mark.parametrize("gate", ["0", "1"])
def test_a_broken_promise_is_said_and_fails_the_whole_where_it_is_a_gate(
    tmp_path: Path, gate: str
) -> None:
    code, said, _ = run(tmp_path, FAKE_COUNT="1", FAKE_FAULTS="1", FAULTS_GATE=gate)
    assert code == int(gate)
    assert said.startswith("suite run and a promise BROKEN: test-faults, 2 cells")


def test_a_cell_that_only_failed_is_said(tmp_path: Path) -> None:
    code, said, _ = run(tmp_path, FAKE_FAULTS="2")
    assert code == 0
    assert said.startswith("suite run with failed tests, no promise broken: test-faults")


def test_failed_tests_are_not_followed_by_faults(tmp_path: Path) -> None:
    code, said, asked = run(tmp_path, FAKE_TEST="2")
    assert (code, asked) == (2, ["test"])
    assert "did not end well" in said
