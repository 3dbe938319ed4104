"""`podferry demo` as a reader runs it: kubelet evicts a pod without podferry and nobody with it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from podferry.cli import records
from tests.lab.cluster import podferry_lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]
NAME = "test-demo-rescue"


@pytest.fixture(scope="module")
def folder(labs_can_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder; the demo's lab is absent before and gone afterwards."""
    podferry_lab("down", "--name", NAME)
    yield tmp_path_factory.mktemp("demo")
    podferry_lab("down", "--name", NAME)


def test_a_pod_is_lost_without_podferry_and_none_with_it(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "podferry.cli.main", "demo", "--name", NAME],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WITHOUT" in done.stdout
    for service in ("orders", "reports"):
        lines = (folder / "build" / f"demo-{service}-act.txt").read_text().splitlines()
        verdict = records.check(*records.parse(lines))
        assert verdict.ok, verdict.problems
    boots = {
        record.boot_id
        for service in ("orders", "reports")
        for record in records.parse(
            (folder / "build" / f"demo-{service}-dryrun.txt").read_text().splitlines()
        )[0]
    }
    assert len(boots) > 2, "no service was started anew in the scene without podferry"
