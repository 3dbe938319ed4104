"""`kubectl drain` on a real node: the memory moves instead of ending, and what cannot move goes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from podferry.lab.cluster import inspect
from tests.lab.moves import Moves
from tests.lab.world import events

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

EVICTED = "podferry.dev/requested-by=eviction"
STAY = {"podferry.dev/exclude": "true"}


def drain(moves: Moves, *more: str) -> subprocess.CompletedProcess[str]:
    """kubectl's own drain of node-a, of the pods of this test only."""
    mine = f"app in ({','.join(APPS)})"
    argv = ["drain", "node-a", "--force", "--pod-selector", mine, *more]
    command = inspect.kubectl_argv(moves.cluster.lab, argv)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)


APPS = {"ev-w": "Deployment", "ev-v": "Deployment", "ev-s": "StatefulSet"}


@pytest.fixture
def crowded(moves: Moves) -> Iterator[Moves]:
    """node-b is closed until the workloads run on node-a; all is open again afterwards."""
    moves.cluster.kubectl("cordon", "node-b")
    try:
        yield moves
    finally:
        moves.cluster.kubectl("uncordon", "node-a", "node-b")


def at_once(ends: list[dict[str, str]]) -> int:
    """How many of these were under way at the same time."""
    marks = [(end["startedAt"], 1) for end in ends] + [(end["completedAt"], -1) for end in ends]
    most = now = 0
    for _, step in sorted(marks):
        now += step
        most = max(most, now)
    return most


def test_kubectl_drain_moves_the_memory_and_a_tight_budget_is_content(crowded: Moves) -> None:
    pods = {name: crowded.start(kind, name, mb=16) for name, kind in APPS.items()}
    before = {name: crowded.answer(pod) for name, pod in pods.items()}
    crowded.cluster.kubectl("uncordon", "node-b")

    tried = drain(crowded, "--dry-run=server")
    assert tried.returncode == 0, tried.stderr
    assert "dry run: " in tried.stderr
    assert crowded.get("migrations")["items"] == []

    # Without podferry kubectl would ask for ever: one replica, and one must be available.
    crowded.kubectl("create", "poddisruptionbudget", "tight", "--selector=app=ev-w",
                    "--min-available=1")  # fmt: skip
    seen = "jsonpath={.status.currentHealthy}=1"
    crowded.kubectl("wait", "pdb/tight", f"--for={seen}", "--timeout=60s")
    done = drain(crowded, "--timeout=150s")
    assert done.returncode == 0, done.stderr
    assert "it is moved to another node with its memory" in done.stderr
    for name, earlier in before.items():
        pod = crowded.pod(name)
        after = crowded.answer(pod)
        assert pod["spec"]["nodeName"] == "node-b"
        assert (after.boot, after.found) == (earlier.boot, after.expected), name
        assert after.number == earlier.number + 1
    made = crowded.get("migrations", "-l", EVICTED)["items"]
    assert len(made) == len(APPS), [one["metadata"]["name"] for one in made]
    assert {one["status"]["phase"] for one in made} == {"Succeeded"}
    assert at_once([one["status"] for one in made]) <= 2


def test_a_budget_that_is_below_its_minimum_holds_the_move_until_it_gives_way(moves: Moves) -> None:
    pod = moves.start("Deployment", "w", mb=16)
    moves.kubectl("create", "poddisruptionbudget", "tight", "--selector=app=w", "--min-available=2")
    seen = "jsonpath={.status.currentHealthy}=1"
    moves.kubectl("wait", "pdb/tight", f"--for={seen}", "--timeout=60s")
    events.evict(moves.cluster, pod)
    (made,) = moves.get("migrations", "-l", EVICTED)["items"]
    name = made["metadata"]["name"]
    reason = "jsonpath={.status.conditions[?(@.type=='Progressing')].reason}=DisruptionBudget"
    moves.kubectl("wait", f"migration/{name}", f"--for={reason}", "--timeout=60s")
    assert "waits for the PodDisruptionBudget tight" in events.evict(moves.cluster, pod)
    moves.kubectl("delete", "pdb", "tight")
    assert moves.ended(name)["phase"] == "Succeeded"


def test_a_late_retry_by_name_does_not_evict_the_replacement(moves: Moves) -> None:
    pod = moves.start("StatefulSet", "s", mb=16)
    earlier = moves.answer(pod)
    first = events.evict(moves.cluster, pod)
    assert "it is moved to another node" in first, first
    (made,) = moves.get("migrations", "-l", EVICTED)["items"]
    assert moves.ended(made["metadata"]["name"])["phase"] == "Succeeded"
    again = events.evict(moves.cluster, pod)
    assert "NotFound" in again, again
    assert "was moved to" in again, again
    assert moves.answer(moves.pod("s")).boot == earlier.boot


def test_a_pod_that_must_not_move_is_evicted_as_ever(moves: Moves) -> None:
    pod = moves.start("Deployment", "w", mb=16, annotations=STAY)
    said = events.evict(moves.cluster, pod)
    assert json.loads(said)["status"] == "Success", said
    moves.gone(pod)
    moves.kubectl("wait", "deployment/w", "--for=condition=Available", "--timeout=60s")
    assert moves.pod("w")["metadata"]["uid"] != pod["metadata"]["uid"]
    assert moves.get("migrations")["items"] == []


def test_a_pod_that_no_node_can_take_is_evicted_once_that_is_known(moves: Moves) -> None:
    pin = {"kubernetes.io/hostname": "node-a"}
    pod = moves.start("Deployment", "w", mb=16, nodeSelector=pin)
    first = events.evict(moves.cluster, pod)
    assert "it is moved to another node" in first, first
    (made,) = moves.get("migrations", "-l", EVICTED)["items"]
    assert moves.ended(made["metadata"]["name"])["phase"] == "Failed"
    second = events.evict(moves.cluster, pod)
    assert '"Success"' in second, second
    moves.gone(pod)
