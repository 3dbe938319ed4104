"""The demo's move there and back, then the command line against the cluster it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from podferry.cli import records
from tests.lab.cluster import podferry_lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1800)]
NAME = "demo-test"
WARM_SECONDS = 120.0


def podferry(*args: str, cwd: Path, kubeconfig: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program; the environment names the demo's cluster."""
    return subprocess.run(
        [sys.executable, "-m", "podferry.cli.main", *args],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "KUBECONFIG": kubeconfig},
    )


@pytest.fixture(scope="module")
def folder(labs_can_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder; the demo's lab is absent before and gone afterwards."""
    podferry_lab("down", "--name", NAME)
    yield tmp_path_factory.mktemp("demo")
    podferry_lab("down", "--name", NAME)


@pytest.fixture(scope="module")
def demo(folder: Path) -> subprocess.CompletedProcess[str]:
    """The demo from nothing but the cache."""
    return podferry("demo", "--scene", "move", "--name", NAME, cwd=folder)


@pytest.fixture(scope="module")
def kubeconfig(demo: subprocess.CompletedProcess[str], folder: Path) -> str:
    """Of the cluster that the demo left running."""
    assert demo.returncode == 0, demo.stdout + demo.stderr
    return podferry("lab", "kubeconfig", "--name", NAME, cwd=folder).stdout.strip()


def test_the_demo_keeps_its_promises(demo: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "each exactly once and in order" in demo.stdout
    assert "node-a -> node-b" in demo.stdout
    assert "node-b -> node-a" in demo.stdout
    assert "as expected" in demo.stdout
    kept = (folder / "build" / "demo-client.txt").read_text().splitlines()
    verdict = records.check(*records.parse(kept))
    assert verdict.ok, verdict.problems
    assert len(verdict.boot_ids) == 1
    assert len(verdict.hosts) >= 1


def test_the_demo_warm_takes_less_than_two_minutes(kubeconfig: str, folder: Path) -> None:
    podferry_lab("down", "--name", NAME)
    began = time.monotonic()
    done = podferry("demo", "--scene", "move", "--name", NAME, cwd=folder)
    took = time.monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    assert took < WARM_SECONDS, f"{took:.0f} s\n{done.stderr}"


def test_migrate_in_a_pipe_succeeds_and_list_shows_it(kubeconfig: str, folder: Path) -> None:
    done = podferry(
        "migrate", "deployment/counter", "-n", "demo", "-o", "json", cwd=folder,
        kubeconfig=kubeconfig,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["status"]["phase"] == "Succeeded"
    assert made["status"]["source"]["node"] != made["status"]["target"]["node"]
    listed = podferry("list", "-n", "demo", cwd=folder, kubeconfig=kubeconfig)
    assert made["metadata"]["name"] in listed.stdout


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("deployment/none",), "UnknownWorkload"),
        (("deployment/counter", "--to", "node-z"), "UnknownNode"),
        (("deployment/counter", "--copy", "PreCopy"), "NotSupportedYet"),
    ],
)
def test_a_refusal_is_exit_code_1_with_its_reason(
    kubeconfig: str, folder: Path, args: tuple[str, ...], reason: str
) -> None:
    done = podferry("migrate", *args, "-n", "demo", cwd=folder, kubeconfig=kubeconfig)
    assert done.returncode == 1
    assert reason in done.stdout + done.stderr


def test_probe_finds_the_counter_movable(kubeconfig: str, folder: Path) -> None:
    done = podferry("probe", "deployment/counter", "-n", "demo", cwd=folder, kubeconfig=kubeconfig)
    assert done.returncode == 0, done.stdout
    assert "can be moved" in done.stdout


def test_nodes_names_both_nodes(kubeconfig: str, folder: Path) -> None:
    done = podferry("nodes", cwd=folder, kubeconfig=kubeconfig)
    assert done.returncode == 0
    assert "node-a" in done.stdout
    assert "node-b" in done.stdout
