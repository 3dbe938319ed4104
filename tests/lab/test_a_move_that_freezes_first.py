"""freezeFirst: memory travels as it was frozen; without a target the workload runs on."""

from __future__ import annotations

import json
import time

import pytest

from tests.lab.moves import OTHER, Moves, pod_spec, why, workload
from tests.lab.on_node import left_over

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]
FROZEN = """
for f in $(find /sys/fs/cgroup -path '*{uid}*' -name freezer.state); do cat $f; done
for f in $(find /sys/fs/cgroup -path '*{uid}*' -name cgroup.events); do grep 'frozen 1' $f; done
true
"""


def frozen(moves: Moves, node: str, uid: str) -> bool:
    """Whether a task group of the pod is frozen on its node."""
    said = moves.cluster.exec(node, ["sh", "-c", FROZEN.replace("{uid}", uid)])
    return "FROZEN" in said or "frozen 1" in said


def test_a_workload_that_is_frozen_first_arrives_with_its_memory(moves: Moves) -> None:
    pod = moves.start("Deployment", "w", mb=64)
    before = moves.answer(pod)
    status = moves.migrate("Deployment", "w", "m", freezeFirst=True)
    assert status["phase"] == "Succeeded", status
    found = {one["type"]: one for one in status["conditions"]}
    assert status["frozenAt"] < found["TargetReady"]["lastTransitionTime"]
    assert status["freezeEpoch"] == 1
    target = moves.pod("w")
    after = moves.answer(target)
    assert target["spec"]["nodeName"] == OTHER[pod["spec"]["nodeName"]]
    assert (after.boot, after.number) == (before.boot, before.number + 1)
    assert after.found == after.expected


def test_a_workload_whose_target_cannot_come_is_thawed(moves: Moves) -> None:
    moves.kubectl("create", "configmap", "needed", "--from-literal=A=1")
    (container,) = pod_spec(32)["containers"]
    container["envFrom"] = [{"configMapRef": {"name": "needed"}}]
    manifest = json.loads(workload("Deployment", "w"))
    manifest["spec"]["template"]["spec"]["containers"] = [container]
    moves.kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    moves.kubectl("wait", "--for=create", "pod", "-l", "app=w", "--timeout=60s")
    moves.kubectl("wait", "--for=condition=Ready", "pod", "-l", "app=w", "--timeout=60s")
    pod = moves.pod("w")
    moves.says(pod, " ready ")
    before = moves.answer(pod)
    moves.kubectl("delete", "configmap", "needed")  # no other pod of it can be made
    node, uid = pod["spec"]["nodeName"], pod["metadata"]["uid"]
    moves.request("Deployment", "w", "m", freezeFirst=True, maxFreezeSeconds=40)
    deadline = time.monotonic() + 60
    while not frozen(moves, node, uid):
        assert time.monotonic() < deadline, moves.get("migration", "m")["status"]
        time.sleep(0.2)
    status = moves.ended("m")
    assert (status["phase"], why(status)) == ("RolledBack", "TargetUnschedulable"), status
    assert "frozen first for" in status["decisionMessage"]
    assert not frozen(moves, node, uid)
    after = moves.answer(moves.pod("w"))
    assert (after.boot, after.number) == (before.boot, before.number + 1)
    assert after.found == after.expected
    assert left_over(moves.cluster, node, moves.get("migration", "m"), uid) == []
