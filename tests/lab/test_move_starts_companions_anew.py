"""One container of a pod moves with its memory; the others start anew, once, when it runs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest

from tests.lab.breakpoints import before
from tests.lab.moves import OTHER, Moves
from tests.lab.on_node import left_over, processes, reached

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

DECLARED = {"podferry.dev/restart-containers": "beside"}
DATA = {"name": "data", "mountPath": "/data"}
RECORDS = "/data/records"


@dataclass(frozen=True)
class Case:
    """A pod: where the second container stands in it, and what of it is asked."""

    kind: str
    copy: str
    place: str

    def __str__(self) -> str:
        return f"{self.kind}-{self.place}-{self.copy}"

    def spec(self, image: str) -> dict[str, Any]:
        """The counter, a container that asks it over loopback and writes to the same volume."""
        common = {"image": image, "imagePullPolicy": "Never", "volumeMounts": [DATA]}
        env = [{"name": "MB", "value": "32"}, {"name": "RECORDS", "value": RECORDS}]
        app = {**common, "name": "app", "env": env}
        ask = [{"name": "FILE", "value": "/data/beside"}, {"name": "ASK", "value": "1"}]
        beside = {**common, "name": "beside", "command": ["/beside"], "env": ask}
        found: dict[str, Any] = {"volumes": [{"name": "data", "emptyDir": {}}]}
        if self.place == "native":
            beside["restartPolicy"] = "Always"
            # Kubelet makes the counter only once it passed; the target must not wait for it.
            probe = {"command": ["/step", "/data/probed", "passed"]}
            beside["startupProbe"] = {"exec": probe, "periodSeconds": 1}
            return {**found, "initContainers": [beside], "containers": [app]}
        both = [beside, app] if self.place == "first" else [app, beside]
        return {**found, "containers": both}

    def start(self, moves: Moves, image: str) -> dict[str, Any]:
        """The pod, once both containers are at work."""
        notes = {} if self.place == "native" else DECLARED
        pod = moves.start(self.kind, "w", annotations=notes, **self.spec(image))
        answered(moves, pod)
        return pod


CASES = (
    Case("Deployment", "StopAndCopy", "first"),
    Case("Deployment", "PostCopy", "native"),
    Case("StatefulSet", "StopAndCopy", "native"),
    Case("Pod", "StopAndCopy", "last"),
)


def lines(moves: Moves, pod: dict[str, Any], name: str) -> list[str]:
    """A file of the shared volume, as it is on the pod's node."""
    folder = f"/var/lib/kubelet/pods/{pod['metadata']['uid']}/volumes/kubernetes.io~empty-dir/data"
    return moves.cluster.exec(pod["spec"]["nodeName"], ["cat", f"{folder}/{name}"]).splitlines()


def answered(moves: Moves, pod: dict[str, Any], *, after: int = 0) -> list[str]:
    """What the second container wrote, once its last question, not of the first `after` lines, was
    answered.
    """
    deadline = time.monotonic() + 60
    while len(told := lines(moves, pod, "beside")) <= after or told[-1] != "answered":
        assert time.monotonic() < deadline, told
    return told


def restarts(pod: dict[str, Any]) -> int:
    """Of all containers of a pod together."""
    status = pod["status"]
    kinds = ("containerStatuses", "initContainerStatuses")
    return sum(one["restartCount"] for kind in kinds for one in status.get(kind) or [])


def nothing_left(moves: Moves, node: str, migration: dict[str, Any], pod: dict[str, Any]) -> None:
    """Return once an ended attempt holds nothing on a node; kubelet ends deleted pods later."""
    deadline = time.monotonic() + 60
    while left := left_over(moves.cluster, node, migration, pod["metadata"]["uid"]):
        assert time.monotonic() < deadline, left


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_count_goes_on_once_and_the_other_container_starts_once_with_all_files(
    moves: Moves, odd: str, case: Case
) -> None:
    source = case.start(moves, odd)
    first = moves.answer(source)
    status = moves.migrate(case.kind, "w", "m", copy=case.copy)
    assert status["phase"] == "Succeeded", status
    (said,) = [one["message"] for one in status["conditions"] if one["type"] == "Accepted"]
    assert "app travels, beside of its pod start anew" in said
    moves.gone(source)
    target = moves.pod("w")
    node = source["spec"]["nodeName"]
    assert target["spec"]["nodeName"] == OTHER[node]
    then = moves.answer(target)
    assert (then.boot, then.number) == (first.boot, first.number + 1)
    assert then.found == then.expected
    numbers = [int(line.split()[2]) for line in lines(moves, target, "records")]
    assert numbers == list(range(1, len(numbers) + 1))
    moves.kubectl("wait", "--for=condition=Ready", f"pod/{target['metadata']['name']}")
    told = answered(moves, target)
    # All that the first one wrote, then one start anew, at which the counter ran already.
    assert told.count("start") == 2, told
    assert told[0] == "start"
    assert set(told[told.index("start", 1) + 1 :]) == {"answered"}, told
    assert restarts(moves.pod("w")) == 0
    migration = moves.get("migration", "m")
    for each in (node, OTHER[node]):
        nothing_left(moves, each, migration, target)


def test_a_second_container_that_ends_after_the_move_restarts_by_itself(
    moves: Moves, odd: str
) -> None:
    source = Case("Deployment", "StopAndCopy", "last").start(moves, odd)
    first = moves.answer(source)
    assert moves.migrate("Deployment", "w", "m")["phase"] == "Succeeded"
    moves.gone(source)
    target = moves.pod("w")
    node = target["spec"]["nodeName"]
    answered(moves, target, after=len(lines(moves, target, "beside")))
    (beside,) = processes(moves.cluster, node, target["metadata"]["uid"], "beside")
    moves.cluster.exec(node, ["kill", "-9", str(beside.pid)])
    moves.kubectl(
        "wait", f"pod/{target['metadata']['name']}", "--timeout=90s",
        '--for=jsonpath={.status.containerStatuses[?(@.name=="beside")].restartCount}=1',
    )  # fmt: skip
    told = answered(moves, target, after=len(lines(moves, target, "beside")))
    assert told.count("start") == 3
    assert moves.answer(moves.pod("w")).boot == first.boot
    assert restarts(moves.pod("w")) == 1


def test_nobody_of_the_pod_runs_while_it_is_undecided_and_a_roll_back_restarts_none(
    moves: Moves, odd: str
) -> None:
    source = Case("Deployment", "StopAndCopy", "native").start(moves, odd)
    first, node, uid = moves.answer(source), source["spec"]["nodeName"], source["metadata"]["uid"]
    with before(moves.cluster, node, "source", "Sealed"):
        moves.request("Deployment", "w", "m", copy="StopAndCopy")
        moves.kubectl("wait", "migration/m", "--for=condition=TargetReady", "--timeout=60s")
        migration = moves.get("migration", "m")
        reached(moves.cluster, OTHER[node], migration, ("target", "Rehearsed"))
        for program in ("counter", "beside"):
            assert [one.frozen for one in processes(moves.cluster, node, uid, program)] == [True]
        target = moves.get("pod", moves.get("migration", "m")["status"]["target"]["pod"])
        begun = processes(moves.cluster, OTHER[node], target["metadata"]["uid"], "beside")
        assert begun == []
        moves.kubectl("patch", "migration", "m", "--type=merge", "-p", '{"spec":{"cancel":true}}')
    assert moves.ended("m")["phase"] == "Cancelled"
    kept = moves.pod("w")
    assert kept["metadata"]["uid"] == uid
    then = moves.answer(kept)
    assert (then.boot, then.number) == (first.boot, first.number + 1)
    told = answered(moves, kept, after=len(lines(moves, kept, "beside")))
    assert told.count("start") == 1
    assert restarts(moves.pod("w")) == 0
    for each in (node, OTHER[node]):
        nothing_left(moves, each, migration, kept)
