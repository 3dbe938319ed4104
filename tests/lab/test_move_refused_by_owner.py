"""Which pod is meant must be clear, and its owner must be able to give it up."""

from __future__ import annotations

import json

import pytest

from tests.lab.moves import Moves, refusal, workload

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job"])
def test_an_owner_that_does_not_exist_is_refused(moves: Moves, kind: str) -> None:
    moves.migrate(kind, "none", "m")
    reason, message = refusal(moves.get("migration", "m"))
    assert reason == "UnknownWorkload"
    assert f"{kind} {moves.namespace}/none does not exist" in message


def test_a_deployment_of_two_pods_is_ambiguous_and_one_of_none_has_nothing_to_move(
    moves: Moves,
) -> None:
    raw = json.loads(workload("Deployment", "w", nodeSelector={"nowhere": "at-all"}))
    raw["spec"]["replicas"] = 2
    moves.kubectl("create", "-f", "-", stdin=json.dumps(raw))
    moves.kubectl("wait", "deployment/w", "--for=jsonpath={.status.replicas}=2", "--timeout=60s")
    moves.migrate("Deployment", "w", "two")
    moves.kubectl("scale", "deployment/w", "--replicas=0")
    moves.kubectl("wait", "--for=delete", "pod", "-l", "app=w", "--timeout=60s")
    moves.migrate("Deployment", "w", "none")
    reason, message = refusal(moves.get("migration", "two"))
    assert reason == "AmbiguousWorkload"
    assert "name the one to move as pod/NAME" in message
    reason, message = refusal(moves.get("migration", "none"))
    assert reason == "NotRunning"
    assert "wait for one, or start it" in message


def test_a_pod_of_a_daemon_set_is_refused_and_runs_on(moves: Moves) -> None:
    raw = json.loads(workload("DaemonSet", "w", nodeSelector={"kubernetes.io/hostname": "node-b"}))
    moves.kubectl("create", "-f", "-", stdin=json.dumps(raw))
    moves.kubectl("wait", "--for=create", "pod", "-l", "app=w", "--timeout=60s")
    moves.kubectl("wait", "--for=condition=Ready", "pod", "-l", "app=w", "--timeout=60s")
    pod = moves.pod("w")["metadata"]
    moves.migrate("Pod", pod["name"], "m")
    reason, message = refusal(moves.get("migration", "m"))
    assert reason == "OwnerNotSupported"
    assert "runs one pod on every node" in message
    assert "supported: pods of a Deployment" in message
    assert moves.pod("w")["metadata"]["resourceVersion"] == pod["resourceVersion"]
