"""`up` and `down`: nothing is left, twice is once, a killed `up` is cleaned, two labs coexist."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from podferry.lab.cluster.model import Lab
from tests.lab.cluster import PODFERRY_LAB, Cluster, podferry_lab
from tests.lab.machine_state import snapshot

pytestmark = pytest.mark.lab
SMALL = ("--nodes", "1", "--node-memory", "1Gi")


@pytest.fixture
def name(labs_can_run: Path) -> Iterator[str]:
    """A lab name that is gone before and after."""
    podferry_lab("down", "--name", "test-gone")
    yield "test-gone"
    podferry_lab("down", "--name", "test-gone")


def test_down_leaves_nothing_of_a_lab_that_ran_pods(lab: Cluster, name: str) -> None:
    before = snapshot(name)
    podferry_lab("up", "--name", name, *SMALL)
    other = Cluster(Lab.named(name))
    pause = {"name": "c", "image": "registry.lab/pause:1", "imagePullPolicy": "Never"}
    spec = {"containers": [pause], "automountServiceAccountToken": False}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
    other.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    other.apply(json.dumps(pod))
    other.wait_ready("p")
    during = snapshot(name)
    podferry_lab("down", "--name", name)
    assert snapshot(name) == before
    # the comparison is worth something: every kind of thing that is named after a lab was there
    for kind in ("processes", "loops", "cgroups", "netns", "folders", "claims"):
        assert during[kind] > before[kind], kind
    # nothing ever appeared in the machine's own network and mounts
    assert during["interfaces"] == before["interfaces"]
    assert {m for m in during["mounts"] if name in m} == set()
    # and the other lab did not notice
    assert "node-a" in lab.kubectl("get", "nodes")


def test_up_twice_is_once(lab: Cluster) -> None:
    before = lab.lab.state_file.read_bytes()
    done = podferry_lab("up", "--name", lab.name)
    assert "already runs" in done.stderr
    assert lab.lab.state_file.read_bytes() == before


def test_up_with_another_shape_is_refused_while_the_lab_runs(lab: Cluster) -> None:
    done = podferry_lab("up", "--name", lab.name, "--nodes", "3", check=False)
    assert done.returncode == 1
    assert "take it down first" in done.stderr


def test_a_dead_forwarder_is_started_again_and_the_cluster_stays(lab: Cluster) -> None:
    state = json.loads(lab.lab.state_file.read_text())
    uid = lab.get("namespace", "kube-system")["metadata"]["uid"]
    os.kill(int(state["processes"]["forward"]["pid"]), signal.SIGKILL)
    podferry_lab("up", "--name", lab.name)
    lab.kubectl("wait", "--for=condition=Ready", "node/node-a", "--timeout=30s")
    assert lab.get("namespace", "kube-system")["metadata"]["uid"] == uid


def kill_up_when(name: str, path: Path) -> None:
    """Start `up` and kill it with SIGKILL as soon as `path` exists."""
    command = [*PODFERRY_LAB, "up", "--name", name, *SMALL]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as up:
        deadline = time.monotonic() + 60
        while not path.exists() and up.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        up.send_signal(signal.SIGKILL)
    assert up.returncode == -signal.SIGKILL


MOMENTS = ("state.json", "kubeconfig", "boxes/control/fs.img", "boxes/node-a/log/services.json")


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_up_is_cleaned_by_down(name: str, moment: str) -> None:
    before = snapshot(name)
    kill_up_when(name, Lab.named(name).home / moment)
    podferry_lab("down", "--name", name)
    assert snapshot(name) == before


def test_a_killed_up_is_cleaned_by_the_next_up(name: str) -> None:
    kill_up_when(name, Lab.named(name).home / MOMENTS[-1])
    done = podferry_lab("up", "--name", name, *SMALL)
    assert "cleaning" in done.stderr
    assert "node-a" in Cluster(Lab.named(name)).kubectl("get", "nodes")


def test_down_of_no_lab_says_so(labs_can_run: Path) -> None:
    assert "no lab" in podferry_lab("down", "--name", "never-was").stdout


def test_a_lab_that_does_not_fit_is_refused_before_anything_is_changed(name: str) -> None:
    before = snapshot(name)
    done = podferry_lab("up", "--name", name, "--node-memory", "9000Gi", check=False)
    assert done.returncode == 1
    assert "too little memory" in done.stderr
    assert snapshot(name) == before
