"""Each thing in a pod that cannot be moved is found, named and answered with what to do."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.api.reasons import Reason
from podferry.strategies.container import preflight
from tests.unit.strategies.container.samples import pod, with_container, with_meta, with_status

R = Reason
APP = {"name": "app"}


def _owner(kind: str) -> dict[str, Any]:
    return with_meta(ownerReferences=[{"kind": kind, "name": "o", "controller": True}])


def _volume(**source: Any) -> dict[str, Any]:
    return pod(volumes=[{"name": "data", **source}])


CASES: dict[str, tuple[dict[str, Any], Reason, list[str]]] = {
    "static": (
        with_meta(annotations={"kubernetes.io/config.mirror": "x"}, ownerReferences=[]),
        R.STATIC_POD, ["static pod", "Deployment"],
    ),
    "daemon set": (_owner("DaemonSet"), R.OWNER_NOT_SUPPORTED, ["DaemonSet o", "every node"]),
    "other owner": (
        _owner("Workflow"), R.OWNER_NOT_SUPPORTED, ["Workflow o", "ReplicaSet", "StatefulSet"],
    ),
    "our rehearsal": (
        with_meta(annotations={"podferry.dev/restore-role": "rehearsal"}),
        R.OWNER_NOT_SUPPORTED, ["rehearsal", "name the pod that is being moved"],
    ),
    "not opted in": (
        pod(runtimeClassName=None), R.NOT_OPTED_IN,
        ["(none)", 'podferry.dev/migratable: "true"', "re-create"],
    ),
    "runtime class by hand": (
        with_meta(labels={"app": "counter"}), R.NOT_OPTED_IN,
        ['podferry.dev/migratable: "true"', "second copy", "template"],
    ),
    "other runtime": (pod(runtimeClassName="gvisor"), R.NOT_OPTED_IN, ["gvisor"]),
    "pending": (with_status(phase="Pending"), R.NOT_RUNNING, ["is Pending", "wait"]),
    "no phase": (with_status(phase=None), R.NOT_RUNNING, ["is unknown"]),
    "terminating": (with_meta(deletionTimestamp="t"), R.NOT_RUNNING, ["being deleted"]),
    "crash loop": (
        with_status(containerStatuses=[
            {"name": "app", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]),
        R.NOT_RUNNING, ["container app", "waiting (CrashLoopBackOff)"],
    ),
    "two containers": (
        pod(containers=[APP, {"name": "log"}]), R.SEVERAL_CONTAINERS, ["2 containers (app, log"],
    ),
    "sidecar": (
        pod(initContainers=[{"name": "proxy", "restartPolicy": "Always"}]),
        R.SEVERAL_CONTAINERS, ["2 containers (app, proxy", "sidecars"],
    ),
    "debug container": (
        pod(ephemeralContainers=[{"name": "sh"}]), R.SEVERAL_CONTAINERS, ["app, sh", "debug"],
    ),
    "init container": (
        pod(initContainers=[{"name": "net", "securityContext": {"capabilities": {
            "add": ["NET_ADMIN"]}}}]), R.INIT_CONTAINERS, ["init container net", "NET_ADMIN"],
    ),
    "post start": (
        with_container(lifecycle={"postStart": {"httpGet": {"port": 80}}}),
        R.LIFECYCLE_HOOK, ["container app", "postStart", "httpGet", "exec hook"],
    ),
    "host network": (pod(hostNetwork=True), R.HOST_NETWORK, ["take hostNetwork out"]),
    "host pid": (pod(hostPID=True), R.HOST_NAMESPACES, ["hostPID", "process"]),
    "host ipc": (pod(hostIPC=True), R.HOST_NAMESPACES, ["hostIPC", "IPC"]),
    "shared processes": (
        pod(shareProcessNamespace=True), R.SHARED_PROCESS_NAMESPACE, ["shareProcessNamespace"],
    ),
    "host path": (
        _volume(hostPath={"path": "/data"}), R.HOST_PATH, ["volume data", "/data", "emptyDir"],
    ),
    "ephemeral claim": (
        _volume(ephemeral={"volumeClaimTemplate": {}}), R.PERSISTENT_VOLUME, ["made for this pod"],
    ),
    "csi": (_volume(csi={"driver": "d"}), R.UNSUPPORTED_RESOURCE, ["kind csi", "emptyDir"]),
    "nfs": (_volume(nfs={"server": "s"}), R.UNSUPPORTED_RESOURCE, ["kind nfs"]),
    "tty": (with_container(tty=True, stdin=True), R.TERMINAL_ATTACHED, ["tty and stdin"]),
    "stdin": (with_container(stdin=True), R.TERMINAL_ATTACHED, ["sets stdin"]),
    "block device": (
        with_container(volumeDevices=[{"name": "disk"}]), R.DEVICES, ["uses devices (disk)"],
    ),
    "gpu": (
        with_container(resources={"limits": {"nvidia.com/gpu": 1, "memory": "1Gi"}}),
        R.DEVICES, ["nvidia.com/gpu: 1"],
    ),
    "resource claims": (
        pod(resourceClaims=[{"name": "gpu"}]), R.DEVICES, ["1 resourceClaims (gpu)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_obstacle_is_the_only_finding_and_says_what_where_and_what_next(case: str) -> None:
    raw, reason, words = CASES[case]
    found = preflight.check_pod(raw)
    assert [finding.reason for finding in found] == [reason]
    for word in [*words, "shop/counter-abc"]:
        assert word in found[0].message


@pytest.mark.parametrize("kind", ["ReplicaSet", "Job", "StatefulSet"])
def test_a_plain_pod_of_a_known_owner_may_move(kind: str) -> None:
    assert preflight.check_pod(_owner(kind)) == []


def test_a_bare_pod_may_move() -> None:
    assert preflight.check_pod(with_meta(ownerReferences=None)) == []


def test_an_owner_that_is_no_controller_does_not_count() -> None:
    assert preflight.check_pod(with_meta(ownerReferences=[{"kind": "Thing", "name": "t"}])) == []


def test_all_obstacles_are_reported_at_once() -> None:
    raw = pod(hostNetwork=True, hostPID=True, runtimeClassName=None)
    reasons = {finding.reason for finding in preflight.check_pod(raw)}
    assert reasons == {R.HOST_NETWORK, R.HOST_NAMESPACES, R.NOT_OPTED_IN}
