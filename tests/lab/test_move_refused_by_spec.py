"""Pods whose description says that they cannot be moved are refused and stay untouched.

Judged by description: these pods are real objects of the API server, bound to a node that is not
there and marked Running by the test. No process runs in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.lab.cluster import Cluster
from tests.lab.made_nodes import node, registered
from tests.lab.moves import MIGRATABLE, Moves, refusal

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

NAMESPACE, NODE = "refused-by-spec", "nowhere"
APP = {"name": "app", "image": "registry.lab/app:1"}
OTHER_APP = {"name": "other", "image": "registry.lab/app:1"}
RUNNING = {"name": "app", "ready": True, "restartCount": 0, "image": "", "imageID": "",
           "containerID": "containerd://" + "0" * 64, "state": {"running": {}}}  # fmt: skip
WAITING = {**RUNNING, "ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


@dataclass(frozen=True)
class Case:
    """A pod, the reason of its refusal, and what the message must tell."""

    name: str
    reason: str
    advice: str
    container: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    phase: str = "Running"
    state: dict[str, Any] = field(default_factory=lambda: RUNNING)

    def pod(self, owner: dict[str, Any]) -> dict[str, Any]:
        """The manifest."""
        meta = {"name": self.name, "labels": MIGRATABLE, "annotations": self.annotations}
        if self.name == "foreign-owner":
            meta["ownerReferences"] = [owner]
        spec = {"nodeName": NODE, "containers": [{**APP, **self.container}], **self.spec}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def volume(**source: Any) -> dict[str, Any]:
    return {"volumes": [{"name": "v", **source}]}


CASES = (
    Case("tty", "TerminalAttached", "take it out", {"tty": True}),
    Case("stdin", "TerminalAttached", "take it out", {"stdin": True}),
    Case("gpu", "Devices", "nvidia.com/gpu: 1", {"resources": {"limits": {"nvidia.com/gpu": 1}}}),
    Case("claimed-device", "Devices", "only pods without devices", {"resources": {"claims": [
        {"name": "d"}]}}, {"resourceClaims": [{"name": "d", "resourceClaimName": "d"}]}),
    Case("shared-pids", "SharedProcessNamespace", "take shareProcessNamespace out",
         spec={"shareProcessNamespace": True}),
    Case("host-pids", "HostNamespaces", "take hostPID out", spec={"hostPID": True}),
    Case("host-ipc", "HostNamespaces", "take hostIPC out", spec={"hostIPC": True}),
    Case("claim", "PersistentVolume", "use an emptyDir",
         spec=volume(persistentVolumeClaim={"claimName": "data"})),
    Case("ephemeral", "PersistentVolume", "use an emptyDir",
         spec=volume(ephemeral={"volumeClaimTemplate": {"spec": CLAIM}})),
    Case("nfs", "UnsupportedResource", "supported: configMap",
         spec=volume(nfs={"server": "10.0.0.1", "path": "/x"})),
    Case("two-containers", "SeveralContainers", "in a pod of their own",
         spec={"containers": [APP, OTHER_APP]}),
    Case("sidecar", "SeveralContainers", "sidecars",
         spec={"initContainers": [{**OTHER_APP, "restartPolicy": "Always"}]}),
    Case("init", "InitContainers", "in the container's own start",
         spec={"initContainers": [{**OTHER_APP, "securityContext": {"privileged": True}}]}),
    Case("hook", "LifecycleHook", "in the container's own start",
         {"lifecycle": {"postStart": {"httpGet": {"path": "/x", "port": 80}}}}),
    Case("static", "StaticPod", "run it as a Deployment",
         annotations={"kubernetes.io/config.mirror": "0"}),
    Case("foreign-owner", "OwnerNotSupported", "supported: pods of a Deployment"),
    Case("pending", "NotRunning", "wait until it runs", phase="Pending"),
    Case("succeeded", "NotRunning", "only a Running pod", phase="Succeeded"),
    Case("crashing", "NotRunning", "CrashLoopBackOff", state=WAITING),
    Case("terminating", "NotRunning", "name its replacement"),
)  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """Pods before and after all requests, and the Migrations, by name."""

    before: dict[str, Any]
    after: dict[str, Any]
    migrations: dict[str, Any]


def _create(moves: Moves, objects: list[dict[str, Any]]) -> None:
    raw = {"apiVersion": "v1", "kind": "List", "items": objects}
    moves.kubectl("create", "-f", "-", stdin=json.dumps(raw))


def _by_name(moves: Moves, kind: str) -> dict[str, Any]:
    return {item["metadata"]["name"]: item for item in moves.get(kind)["items"]}


def _requests(moves: Moves) -> Seen:
    moves.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    moves.kubectl("create", "configmap", "owner")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "controller": True,
             "uid": moves.get("configmap", "owner")["metadata"]["uid"]}  # fmt: skip
    _create(moves, [case.pod(owner) for case in CASES])
    for case in CASES:
        status = {"status": {"phase": case.phase, "containerStatuses": [case.state]}}
        moves.kubectl("patch", "pod", case.name, "--subresource=status", "--type=merge",
                      "-p", json.dumps(status))  # fmt: skip
    moves.kubectl("delete", "pod", "terminating", "--wait=false")
    before = _by_name(moves, "pods")
    _create(moves, [moves.migration("Pod", case.name, case.name) for case in CASES])
    moves.kubectl("wait", "migrations", "--all", "--for=condition=Progressing=False",
                  "--timeout=60s")  # fmt: skip
    return Seen(before, _by_name(moves, "pods"), _by_name(moves, "migrations"))


@pytest.fixture(scope="module")
def seen(ferry: Cluster) -> Iterator[Seen]:
    """All pods and all Migrations at once: one after the other would take minutes."""
    ferry.kubectl("create", "namespace", NAMESPACE)
    moves = Moves(ferry, NAMESPACE)
    try:
        with registered(ferry, node(NODE), silent=NODE):
            yield _requests(moves)
            moves.kubectl("delete", "pods", "--all", "--force", "--grace-period=0")
    finally:
        ferry.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_pod_that_by_its_description_cannot_be_moved_is_refused(seen: Seen, case: Case) -> None:
    reason, message = refusal(seen.migrations[case.name])
    assert reason == case.reason, message
    assert case.name in message
    assert case.advice in message


def test_no_refused_pod_was_touched_and_none_was_made(seen: Seen) -> None:
    versions = [
        {name: pod["metadata"]["resourceVersion"] for name, pod in pods.items()}
        for pods in (seen.before, seen.after)
    ]
    assert versions[0] == versions[1]
