"""`podferry probe`: the verdict with reasons and fixes, and nothing but reads."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from podferry.cli import probe as probe_command
from podferry.cli import visible
from podferry.cli.main import cli
from tests.unit.cli.conftest import Cluster, Object

PODS = "/api/v1/namespaces/shop/pods"
POD: Object = {
    "metadata": {"name": "web-1", "namespace": "shop", "uid": "u1"},
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
    assert "UnknownNode: there is no node node-z; there are node-a, node-b" in done.output


TAINT = [{"key": "gpu", "effect": "NoSchedule"}]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (node("node-b", ready=False), "TargetNotReady"),
        (node("node-b", unschedulable=True), "TargetCordoned: kubectl uncordon node-b"),
        (node("node-b", taints=TAINT), "TargetTainted: gpu"),
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


def owned(kind: str) -> Object:
    return {"ownerReferences": [{"kind": kind, "name": "x", "uid": "o", "controller": True}]}


CHANGES: dict[str, tuple[Object, str]] = {
    "daemon set": ({"metadata": owned("DaemonSet")}, "OwnerNotSupported"),
    "static pod": ({"metadata": {"annotations": {visible.MIRROR: "x"}}}, "StaticPod"),
    "pending": ({"status": {"phase": "Pending"}}, "NotRunning"),
    "going": ({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}, "NotRunning"),
    "no runtime class": ({"spec": {"runtimeClassName": "runc"}}, "NotOptedIn"),
    "host network": ({"spec": {"hostNetwork": True}}, "HostNetwork"),
    "host pid": ({"spec": {"hostPID": True}}, "HostNamespaces"),
    "shared pids": ({"spec": {"shareProcessNamespace": True}}, "SharedProcessNamespace"),
    "two": ({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}, "SeveralContainers"),
    "init": ({"spec": {"initContainers": [{"name": "a"}]}}, "InitContainers"),
    "tty": ({"spec": {"containers": [{"name": "a", "tty": True}]}}, "TerminalAttached"),
    "stdin": ({"spec": {"containers": [{"name": "a", "stdin": True}]}}, "TerminalAttached"),
    "gpu": (
        {"spec": {"containers": [{"name": "a", "resources": {"limits": {"x.com/gpu": 1}}}]}},
        "Devices",
    ),
    "host path": ({"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}}, "HostPath"),
    "claim": (
        {"spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}},
        "PersistentVolume",
    ),
}


@pytest.mark.parametrize(("change", "reason"), CHANGES.values(), ids=CHANGES.keys())
def test_each_obstacle_has_its_reason_and_is_the_only_one(change: Object, reason: str) -> None:
    pod = copy.deepcopy(POD)
    for part, more in change.items():
        pod[part].update(more)
    assert [found for found, _ in visible.blockers(pod)] == [reason]


def test_a_plain_pod_has_no_obstacle() -> None:
    assert visible.blockers(POD) == []
