"""What kubelet makes around a container is there at the target too, and nothing is done twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.moves import OTHER, Moves
from tests.lab.on_node import processes

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

STEPS, RECORDS, TOKEN, SETTING = "/data/steps", "/part/records", "/token/token", "/config/setting"
GATE = "example.com/checked"


def spec(image: str) -> dict[str, Any]:
    """Two init containers, hooks, a subPath, a ConfigMap, a token and a gate of the user's own."""
    data = {"name": "data", "mountPath": "/data"}
    common = {"image": image, "imagePullPolicy": "Never"}
    inits = [
        {**common, "name": name, "command": ["/step", STEPS, name], "volumeMounts": [data]}
        for name in ("first", "second")
    ]
    app = {
        **common,
        "name": "app",
        "env": [{"name": "MB", "value": "32"}, {"name": "RECORDS", "value": RECORDS}],
        "volumeMounts": [
            data,
            {"name": "data", "mountPath": "/part", "subPath": "a/part"},
            {"name": "config", "mountPath": "/config"},
            {"name": "token", "mountPath": "/token"},
        ],
        "lifecycle": {"preStop": {"exec": {"command": ["/step", STEPS, "preStop"]}}},
    }
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}}
    volumes = [
        {"name": "data", "emptyDir": {}},
        {"name": "config", "configMap": {"name": "config"}},
        {"name": "token", "projected": {"sources": [token]}},
    ]
    return {
        "initContainers": inits,
        "containers": [app],
        "volumes": volumes,
        "readinessGates": [{"conditionType": GATE}],
    }


def pass_gate(moves: Moves, pod: dict[str, Any]) -> None:
    """What the user's own controller does."""
    condition = {"type": GATE, "status": "True", "lastTransitionTime": None}
    moves.kubectl("patch", "pod", pod["metadata"]["name"], "--subresource=status",
                  "-p", json.dumps({"status": {"conditions": [condition]}}))  # fmt: skip


def read(moves: Moves, pod: dict[str, Any], path: str) -> str:
    """A file as the workload sees it."""
    node = pod["spec"]["nodeName"]
    (process,) = processes(moves.cluster, node, pod["metadata"]["uid"])
    return moves.cluster.exec(node, ["cat", f"/proc/{process.pid}/root{path}"])


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_init_containers_ran_once_and_volumes_are_those_of_the_target_s_pod(
    moves: Moves, odd: str, kind: str
) -> None:
    moves.kubectl("create", "configmap", "config", "--from-literal=setting=old")
    source = moves.start(kind, "w", condition="ContainersReady", **spec(odd))
    pass_gate(moves, source)
    assert read(moves, source, STEPS) == "first\nsecond\n"
    token, before = read(moves, source, TOKEN), moves.answer(source)
    moves.kubectl("patch", "configmap", "config", "-p", '{"data": {"setting": "new"}}')
    status = moves.migrate(kind, "w", "m", copy="StopAndCopy")
    assert status["phase"] == "Succeeded", status
    moves.gone(source)
    target = moves.pod("w")
    assert target["spec"]["nodeName"] == OTHER[source["spec"]["nodeName"]]
    after = moves.answer(target)
    assert (after.boot, after.number) == (before.boot, before.number + 1)
    assert read(moves, target, STEPS) == "first\nsecond\n"
    assert read(moves, target, SETTING) == "new"
    assert read(moves, target, TOKEN) not in ("", token)
    numbers = [int(line.split()[2]) for line in read(moves, target, RECORDS).splitlines()]
    assert numbers == list(range(1, len(numbers) + 1))
    inits = target["status"]["initContainerStatuses"]
    assert [one["state"]["terminated"]["exitCode"] for one in inits] == [0, 0]
    assert {item["conditionType"] for item in target["spec"]["readinessGates"]} == {
        GATE, "podferry.dev/running",
    }  # fmt: skip
    # Of a kept name kubelet tries the hook on the frozen source, where runc refuses it.
    told = {item["reason"] for item in moves.get("events")["items"] if "Hook" in item["reason"]}
    assert told <= ({"FailedPreStopHook"} if kind == "StatefulSet" else set())
