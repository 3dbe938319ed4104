"""`podferry drain` on a real node: memory moves with the workloads, what cannot move is named."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.moves import Moves

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "drain-a-node.md"
PIN = {"kubernetes.io/hostname": "node-a"}


def podferry(moves: Moves, *argv: str) -> subprocess.CompletedProcess[str]:
    """The command line, as its user calls it."""
    return subprocess.run(
        [sys.executable, "-m", "podferry.cli.main", *argv], capture_output=True, text=True,
        check=False, env={**os.environ, "KUBECONFIG": str(moves.cluster.kubeconfig)}, timeout=200,
    )  # fmt: skip


@pytest.fixture
def crowded(moves: Moves) -> Iterator[Moves]:
    """node-b is closed until the workloads run on node-a; all is open again afterwards."""
    moves.cluster.kubectl("cordon", "node-b")
    try:
        yield moves
    finally:
        moves.cluster.kubectl("uncordon", "node-a", "node-b")
        moves.cluster.kubectl("annotate", "node", "node-a", "podferry.dev/cordoned-by-")


def examples(verb: str) -> list[list[str]]:
    """Arguments of the page's kubectl lines with this verb."""
    lines = [line.strip() for line in PAGE.read_text().splitlines()]
    found = [shlex.split(line, comments=True) for line in lines if line.startswith("kubectl ")]
    return [argv[1:] for argv in found if argv[1] == verb]


def test_two_workloads_leave_with_their_memory_and_one_that_cannot_is_named(
    crowded: Moves,
) -> None:
    pods = {name: crowded.start(kind, name) for kind, name in (("Deployment", "w"),
                                                               ("StatefulSet", "s"))}  # fmt: skip
    crowded.start("Deployment", "stuck", opt_in=False, nodeSelector=PIN)
    before = {name: crowded.answer(pod) for name, pod in pods.items()}
    crowded.cluster.kubectl("uncordon", "node-b")

    planned = podferry(crowded, "drain", "node-a", "--dry-run", "-o", "json")
    fates = {
        item["pod"]: item["fate"]
        for item in json.loads(planned.stdout)["pods"]
        if item["namespace"] == crowded.namespace
    }
    assert sorted(fates.values()) == ["move", "move", "stays"], planned.stdout
    assert not crowded.cluster.get("node", "node-a")["spec"].get("unschedulable")

    done = podferry(crowded, "drain", "node-a", "--timeout", "2m", "-o", "json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["timedOut"]) == (1, False), done.stderr
    mine = [item for item in told["moves"] if item["namespace"] == crowded.namespace]
    assert [item["phase"] for item in mine] == ["Succeeded", "Succeeded"], done.stdout
    left = {i["pod"]: i for i in told["pods"] if i["namespace"] == crowded.namespace}
    ((name, reason),) = [(pod, item["reason"]) for pod, item in left.items()]
    assert name.startswith("stuck-")
    assert reason == "NotOptedIn"
    for app, earlier in before.items():
        pod = crowded.pod(app)
        after = crowded.answer(pod)
        assert pod["spec"]["nodeName"] == "node-b"
        assert (after.boot, after.found) == (earlier.boot, after.expected)

    for argv in examples("wait"):
        assert "condition met" in crowded.cluster.kubectl(*argv), argv
    again = podferry(crowded, "drain", "node-a", "--timeout", "1m", "-o", "json")
    assert json.loads(again.stdout)["moves"] == [], again.stdout
    assert podferry(crowded, "uncordon", "node-a").returncode == 0
    node = crowded.cluster.get("node", "node-a")
    assert "podferry.dev/cordoned-by" not in node["metadata"].get("annotations", {})
    assert not node["spec"].get("unschedulable")
