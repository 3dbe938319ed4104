"""The engine itself, small: two workers, one worker and a resumed sweep give the same runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the extra simulator is not installed")

SWEEP = """
seeds: 30
set: {trace: trace.csv, node-memory: 8Gi, requests: 0, fixed: 5, p95: 2, failures: 0.2}
grids:
  - name: small
    grid:
      nodes: [2, 3]
      policy: [none, seed]
  - name: drawn
    set: {resample: each-run, scale: 2, nodes: 4}
    grid: {policy: [seed]}
"""


def world(folder: Path) -> None:
    """Eight pods that ramp up to 3 GiB, one after the other."""
    rows = ["pod,time,memory"]
    for pod in range(8):
        rows += [f"p{pod},{60 * pod + 30 * at},{at * 3 * 2**30 // 20}" for at in range(21)]
    (folder / "trace.csv").write_text("\n".join(rows) + "\n")
    (folder / "s.yaml").write_text(SWEEP)


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "podferry.cli.main", "simulate", "--sweep", "s.yaml", *args]


def told(folder: Path, *args: str) -> str:
    return subprocess.run(
        command("-o", "csv", *args), cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def test_two_workers_and_one_give_the_same_figures(tmp_path: Path) -> None:
    world(tmp_path)
    alone = told(tmp_path, "--results", "one.csv")
    assert told(tmp_path, "--results", "two.csv", "--workers", "2") == alone
    lines = [sorted((tmp_path / f"{name}.csv").read_text().splitlines()) for name in ("one", "two")]
    assert lines[0] == lines[1]
    assert len(lines[0]) == 5 * 30 + 1


def test_a_sweep_that_ctrl_c_ended_goes_on_where_it_was(tmp_path: Path) -> None:
    world(tmp_path)
    runs = tmp_path / "s.runs.csv"
    process = subprocess.Popen(
        command("--workers", "2", "--seeds", "3000"),
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A suite that runs in the background has it ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    while process.poll() is None and not (runs.exists() and runs.read_bytes().count(b"\n") > 40):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, said = process.communicate(timeout=250)
    assert process.returncode == 130, said
    assert "are done, kept in s.runs.csv" in said
    assert "Traceback" not in said
    assert "FAILING" in output
    done = runs.read_bytes().count(b"\n") - 1
    assert 40 <= done < 5 * 3000
    expected = told(tmp_path, "--results", "fresh.csv")
    assert told(tmp_path) == expected, "the first 30 seeds, most of them from before"
    assert os.path.getsize(runs) > 0


def test_a_clairvoyant_policy_may_be_asked_for_by_name(tmp_path: Path) -> None:
    world(tmp_path)
    (tmp_path / "s.yaml").write_text("""
seeds: 3
set: {trace: trace.csv, node-memory: 8Gi, requests: 0, nodes: 3}
policies:
  best:
    detector: {name: oracle, args: {horizon: 300}}
    victim: {name: oracle}
    target: {name: least-used, args: {freePercent: 30}}
grids:
  - name: best
    grid: {policy: [best], policy.detector: [{name: oracle}, {name: threshold}]}
""")
    figures = told(tmp_path)
    assert "policy best, detector oracle" in figures
    assert "policy best, detector threshold" in figures


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    world(tmp_path)
    process = subprocess.Popen(
        command("--workers", "2", "--seeds", "3000"), cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    runs = tmp_path / "s.runs.csv"
    while process.poll() is None and not (runs.exists() and runs.read_bytes().count(b"\n") > 40):
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) >= 2
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline, "workers are left"
        time.sleep(0.05)
