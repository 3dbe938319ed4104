"""`podferry probe`: the verdict with reasons and fixes, and nothing but reads."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from podferry.cli import probe as probe_command
from podferry.cli.main import cli
from tests.unit.cli.conftest import MIGRATIONS, Cluster, Object, moved
from tests.unit.cli.test_nodes import FACTS, publish

PODS = "/api/v1/namespaces/shop/pods"
POD: Object = {
    "metadata": {
        "name": "web-1",
        "namespace": "shop",
        "uid": "u1",
        "labels": {"podferry.dev/migratable": "true"},
    },
    "spec": {
        "nodeName": "node-a",
        "runtimeClassName": "podferry",
        "containers": [{"name": "app"}],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    },
    "status": {"phase": "Running"},
}


def node(name: str, *, ready: bool = True, **spec: Any) -> Object:
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {"metadata": {"name": name}, "spec": spec, "status": {"conditions": [condition]}}


def call(cluster: Cluster, *args: str) -> Result:
    return CliRunner().invoke(cli, ["probe", *args, "--kubeconfig", str(cluster.kubeconfig)])


def prepared(cluster: Cluster, *nodes: Object) -> None:
    cluster.seed(PODS, copy.deepcopy(POD))
    for one in nodes or (node("node-a"), node("node-b")):
        cluster.seed("/api/v1/nodes", one)


def test_a_movable_pod_has_a_target_and_what_was_not_checked_is_named(cluster: Cluster) -> None:
    prepared(cluster)
    done = call(cluster, "pod/web-1")
    assert done.exit_code == 0, done.output
    assert "pod/web-1 (pod web-1 on node-a) can be moved, as far as can be seen" in done.output
    assert "✓ target node-b" in done.output
    assert "not node-a: TargetIsSource" in done.output
    assert probe_command.ONLY_THE_AGENT in done.output


def test_nothing_is_written(cluster: Cluster) -> None:
    prepared(cluster)
    call(cluster, "pod/web-1")
    assert {seen.method for seen in cluster.server.requests} == {"GET"}


def test_a_deployment_is_followed_to_its_one_pod(cluster: Cluster) -> None:
    prepared(cluster)
    apps = "/apis/apps/v1/namespaces/shop"
    meta = {"name": "web", "uid": "d1"}
    cluster.seed(f"{apps}/deployments", {"metadata": meta})
    owner = {"kind": "Deployment", "name": "web", "uid": "d1", "controller": True}
    cluster.seed(
        f"{apps}/replicasets",
        {"metadata": {"name": "web-5", "uid": "r1", "ownerReferences": [owner]}},
    )
    owner = {"kind": "ReplicaSet", "name": "web-5", "uid": "r1", "controller": True}
    cluster.server.patch(f"{PODS}/web-1", {"metadata": {"ownerReferences": [owner]}})
    done = call(cluster, "deployment/web", "-o", "json")
    verdict = json.loads(done.output)
    assert (verdict["pod"], verdict["movable"], verdict["targets"]) == ("web-1", True, ["node-b"])
    second = copy.deepcopy(POD)
    second["metadata"] = {"name": "web-2", "ownerReferences": [owner]}
    cluster.seed(PODS, second)
    done = call(cluster, "deployment/web")
    assert done.exit_code == 1
    assert "AmbiguousWorkload: deployment/web has 2 living pods (web-1, web-2)" in done.output


def test_an_unknown_workload_is_a_verdict(cluster: Cluster) -> None:
    done = call(cluster, "job/none")
    assert done.exit_code == 1
    assert "UnknownWorkload: there is no job/none in namespace shop" in done.output


def test_an_unknown_target_names_the_known_ones(cluster: Cluster) -> None:
    prepared(cluster)
    done = call(cluster, "pod/web-1", "--to", "node-z")
    assert done.exit_code == 1
    assert "UnknownNode: node node-z does not exist; known: node-a, node-b" in done.output


TAINT = [{"key": "gpu", "effect": "NoSchedule"}]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (node("node-b", ready=False), "TargetNotReady"),
        (node("node-b", unschedulable=True), "TargetCordoned"),
        (node("node-b", taints=TAINT), "TargetTainted"),
    ],
)
def test_a_node_that_cannot_take_it_is_named_with_why(
    cluster: Cluster, other: Object, said: str
) -> None:
    prepared(cluster, node("node-a"), other)
    done = call(cluster, "pod/web-1")
    assert done.exit_code == 1
    assert said in done.output
    assert "NoEligibleTarget" in done.output


def test_what_the_pod_itself_forbids_is_listed_with_the_way_out(cluster: Cluster) -> None:
    prepared(cluster)
    cluster.server.patch(f"{PODS}/web-1", {"spec": {"runtimeClassName": None, "hostPID": True}})
    done = call(cluster, "pod/web-1")
    assert done.exit_code == 1
    assert "cannot be moved" in done.output
    assert "✗ NotOptedIn: " in done.output
    assert "podferry.dev/migratable" in done.output
    assert "✗ HostNamespaces: " in done.output


def test_a_processor_that_lacks_features_is_seen_in_the_published_facts(cluster: Cluster) -> None:
    rich, poor = ({**FACTS, "cpuFeatures": found} for found in (["avx", "avx2"], ["avx"]))
    prepared(cluster)
    publish(cluster, {"node-a": rich, "node-b": poor})
    done = call(cluster, "pod/web-1")
    assert done.exit_code == 1
    assert "MissingCPUFeatures" in done.output


def test_without_facts_it_says_what_was_not_checked_and_why(cluster: Cluster) -> None:
    prepared(cluster)
    done = call(cluster, "pod/web-1")
    assert done.exit_code == 0, done.output
    assert "not checked: versions and processors of the nodes: no facts yet" in done.output


def test_a_node_without_facts_is_named(cluster: Cluster) -> None:
    prepared(cluster)
    publish(cluster, {"node-a": FACTS})
    verdict = json.loads(call(cluster, "pod/web-1", "-o", "json").output)
    assert verdict["targets"] == ["node-b"]
    assert verdict["notChecked"][0].startswith("versions and processor of node-b: no facts: its")
    assert verdict["notChecked"][-1] == probe_command.ONLY_THE_AGENT


def test_the_freeze_is_predicted_from_the_moves_of_the_cluster(cluster: Cluster) -> None:
    prepared(cluster)
    memory = {"requests": {"memory": "1Gi"}, "limits": {"memory": "2Gi"}}
    spec = {"containers": [{"name": "app", "resources": memory}]}
    owner = {"kind": "ReplicaSet", "name": "web-5", "uid": "r1", "controller": True}
    change = {"spec": spec, "metadata": {"ownerReferences": [owner]}}
    cluster.server.patch(f"{PODS}/web-1", change)
    for number in range(5):
        cluster.seed(MIGRATIONS.replace("shop", "bank"), finished(f"m{number}", 1 + number % 2))
    verdict = json.loads(call(cluster, "pod/web-1", "-o", "json").output)
    told = {(one["size"], one["copy"]): one for one in verdict["predictions"]}
    assert set(told) == {
        (size, mode)
        for size in ("memory request", "memory limit")
        for mode in ("StopAndCopy", "PostCopy")
    }
    assert told["memory request", "StopAndCopy"]["freezeP50Seconds"] == 3.0
    assert told["memory limit", "StopAndCopy"]["freezeP50Seconds"] == 6.0
    assert told["memory limit", "StopAndCopy"]["source"].startswith("measured (n=5")
    assert told["memory limit", "PostCopy"]["source"].startswith("prior (0 moves")
    text = call(cluster, "pod/web-1").output
    assert "~ 1024.0 MiB (memory request) by StopAndCopy: freeze 3.00 s, 95 % below " in text


def finished(name: str, gib: int) -> Object:
    """A Deployment's move of so many GiB that took 3 s a GiB."""
    status = moved(
        completedAt=f"2026-01-01T00:00:0{gib}Z",
        owner={"kind": "ReplicaSet", "name": "a", "uid": "o"},
    )
    status["prediction"]["bytes"] = gib << 30
    status["measured"]["freezeSeconds"] = 3.0 * gib
    ref = {"kind": "Deployment", "name": "web"}
    meta = {"name": name, "namespace": "bank", "uid": name}
    return {"metadata": meta, "spec": {"workloadRef": ref}, "status": status}


def test_a_pod_that_keeps_its_name_is_predicted_by_stop_and_copy_only(cluster: Cluster) -> None:
    prepared(cluster)
    verdict = json.loads(call(cluster, "pod/web-1", "-o", "json").output)
    assert {one["copy"] for one in verdict["predictions"]} == {"StopAndCopy"}
    assert {one["bytes"] for one in verdict["predictions"]} == {256 << 20, 1 << 30}
