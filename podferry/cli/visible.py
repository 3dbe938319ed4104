"""What the API server's view of a pod and of nodes says against a move. Pure.

Only for `probe`: the controller judges anew, with the agents' answers, for each migration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podferry.api.reasons import Reason
from podferry.wire.names import LABEL_MIGRATABLE, RUNTIME_CLASS

Object = dict[str, Any]
Found = tuple[str, str]
MIRROR = "kubernetes.io/config.mirror"
OWNERS = ("ReplicaSet", "StatefulSet", "Job")


def blockers(pod: Object) -> list[Found]:
    """Return reason and message of each thing in the pod's own object that forbids a move."""
    return [*_identity(pod), *_spec(pod.get("spec") or {}), *_volumes(pod.get("spec") or {})]


def _identity(pod: Object) -> Iterator[Found]:
    metadata, spec = pod["metadata"], pod.get("spec") or {}
    phase = (pod.get("status") or {}).get("phase")
    if metadata.get("deletionTimestamp"):
        yield Reason.NOT_RUNNING, "it is being deleted; wait for its successor"
    elif phase != "Running":
        yield Reason.NOT_RUNNING, f"its phase is {phase}; wait until it is Running"
    if MIRROR in (metadata.get("annotations") or {}):
        yield Reason.STATIC_POD, "it is a static pod: kubelet makes it from a file of its node"
    for owner in metadata.get("ownerReferences") or []:
        if owner.get("controller") and owner["kind"] not in (*OWNERS, "Node"):
            text = f"it belongs to a {owner['kind']}; {', '.join(OWNERS)} and bare pods are moved"
            yield Reason.OWNER_NOT_SUPPORTED, text
    if spec.get("runtimeClassName") != RUNTIME_CLASS:
        text = (
            f"it runs without RuntimeClass {RUNTIME_CLASS}; put the label {LABEL_MIGRATABLE}: "
            '"true" on the pod template and let the pod be made anew'
        )
        yield Reason.NOT_OPTED_IN, text


def _spec(spec: Object) -> Iterator[Found]:
    if spec.get("hostNetwork"):
        yield Reason.HOST_NETWORK, "hostNetwork: its addresses belong to the node; turn it off"
    for name in ("hostPID", "hostIPC"):
        if spec.get(name):
            yield Reason.HOST_NAMESPACES, f"{name}: it shares a namespace of the node; turn it off"
    if spec.get("shareProcessNamespace"):
        text = "shareProcessNamespace: containers cannot be restored one by one; turn it off"
        yield Reason.SHARED_PROCESS_NAMESPACE, text
    containers = spec.get("containers") or []
    if len(containers) > 1:
        names = ", ".join(str(container["name"]) for container in containers)
        text = f"{len(containers)} containers ({names}); one is supported for now"
        yield Reason.SEVERAL_CONTAINERS, text
    if spec.get("initContainers"):
        text = "init containers would run again at the target; not supported for now"
        yield Reason.INIT_CONTAINERS, text
    for container in containers:
        yield from _container(container)


def _container(container: Object) -> Iterator[Found]:
    name = container.get("name")
    if container.get("tty") or container.get("stdin"):
        yield Reason.TERMINAL_ATTACHED, f"container {name} has tty or stdin; turn them off"
    if container.get("volumeDevices"):
        yield Reason.DEVICES, f"container {name} has block devices; not supported"
    resources = (container.get("resources") or {}).get("limits") or {}
    devices = [key for key in resources if "/" in key and not key.startswith("hugepages")]
    if devices or (container.get("resources") or {}).get("claims"):
        held = ", ".join(devices) or "resource claims"
        yield Reason.DEVICES, f"container {name} holds {held}; the state of devices cannot be moved"
    lifecycle = container.get("lifecycle") or {}
    if lifecycle.get("postStart"):
        text = f"container {name} has a postStart hook, which would run again at the target"
        yield Reason.LIFECYCLE_HOOK, text


def _volumes(spec: Object) -> Iterator[Found]:
    for volume in spec.get("volumes") or []:
        name = volume.get("name")
        if "hostPath" in volume:
            path = volume["hostPath"].get("path")
            text = f"volume {name} is {path} of the node; use emptyDir or another kind of volume"
            yield Reason.HOST_PATH, text
        if "persistentVolumeClaim" in volume or "ephemeral" in volume:
            text = f"volume {name} is a persistent volume; not supported for now"
            yield Reason.PERSISTENT_VOLUME, text


def not_a_target(
    node: Object, facts: Object | None, source_facts: Object | None, *, source: str
) -> str:
    """Return why this node cannot be the target; empty where nothing speaks against it."""
    name = str(node["metadata"]["name"])
    if name == source:
        return f"{Reason.TARGET_IS_SOURCE}: it runs there already"
    conditions = (node.get("status") or {}).get("conditions") or []
    if not any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
        return f"{Reason.TARGET_NOT_READY}: it is not Ready"
    if (node.get("spec") or {}).get("unschedulable"):
        return f"{Reason.TARGET_CORDONED}: kubectl uncordon {name}"
    for taint in (node.get("spec") or {}).get("taints") or []:
        if taint.get("effect") in ("NoSchedule", "NoExecute"):
            return f"{Reason.TARGET_TAINTED}: {taint['key']}"
    if facts is None or source_facts is None:
        return ""
    wanted, there = (set(one.get("cpuFeatures") or []) for one in (source_facts, facts))
    if wanted - there:
        missing = sorted(wanted - there)
        return f"{Reason.MISSING_CPU_FEATURES}: {len(missing)} missing: {', '.join(missing[:5])}"
    return ""
