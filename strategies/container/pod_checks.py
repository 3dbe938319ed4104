"""What of a pod's own description stands against moving its container. Pure.

Owns the list of what CRIU or the hand-over between two pods cannot carry. It looks at the object
only; what the processes really hold is the agent's probe.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podferry.api.reasons import Reason
from podferry.strategies.container.finding import (
    Finding,
    RawPod,
    app_containers,
    is_sidecar,
    title,
)
from podferry.strategies.container.hook_checks import check_hooks
from podferry.wire import names

OWNERS = ("ReplicaSet", "Job", "StatefulSet")
"""Owners that give a pod up and take another one; a pod without an owner may move as well."""
VOLUMES = frozenset({"emptyDir", "configMap", "secret", "projected", "downwardAPI",
                     "persistentVolumeClaim"})  # fmt: skip
"""Claims are judged by `claim_checks`, which needs the claim itself."""
_POWERS = frozenset({"ALL", "NET_ADMIN", "SYS_ADMIN", "SYS_MODULE", "BPF"})
_MIRROR = "kubernetes.io/config.mirror"
_HOST_NAMESPACES = {"hostPID": "process", "hostIPC": "IPC"}


def check_pod(pod: RawPod) -> list[Finding]:
    """Return everything in the pod's description that stands against a move; empty if nothing.

    Args:
        pod: the raw pod as the API server has it.
    """
    checks = (
        _ownership, _opted_in, _excluded, _running, _containers, check_hooks, _host, _volumes,
        _terminal, _devices,
    )  # fmt: skip
    return [finding for check in checks for finding in check(pod)]


def _ownership(pod: RawPod) -> Iterator[Finding]:
    meta = pod.get("metadata") or {}
    notes = meta.get("annotations") or {}
    if _MIRROR in notes:
        yield Finding(
            Reason.STATIC_POD,
            f"{title(pod)} is a static pod: it belongs to a manifest file on its node and cannot"
            " exist elsewhere; run it as a Deployment to be able to move it",
        )
    if notes.get(names.ANNOTATION_RESTORE_ROLE) == "rehearsal":
        yield Finding(
            Reason.OWNER_NOT_SUPPORTED,
            f"{title(pod)} is the rehearsal of a running move and goes away by itself; name the"
            " pod that is being moved",
        )
    for owner in meta.get("ownerReferences") or []:
        if owner.get("controller") and owner.get("kind") not in (*OWNERS, "Node"):
            kind = owner.get("kind")
            why = (
                "which runs one pod on every node, so there is nowhere to move it"
                if kind == "DaemonSet"
                else "which podferry does not know how to hand a pod over to"
            )
            yield Finding(
                Reason.OWNER_NOT_SUPPORTED,
                f"{title(pod)} is controlled by {kind} {owner.get('name')}, {why}; supported:"
                " pods of a Deployment (ReplicaSet), Job or StatefulSet, and bare pods",
            )


def _opted_in(pod: RawPod) -> Iterator[Finding]:
    found = (pod.get("spec") or {}).get("runtimeClassName")
    label = ((pod.get("metadata") or {}).get("labels") or {}).get(names.LABEL_MIGRATABLE)
    if found != names.RUNTIME_CLASS:
        yield Finding(
            Reason.NOT_OPTED_IN,
            f"{title(pod)} runs under the RuntimeClass {found or '(none)'}, not"
            f" {names.RUNTIME_CLASS}; put the label {names.LABEL_MIGRATABLE}:"
            ' "true" on the pod (in the template of its owner) and re-create it: it counts at'
            " creation only",
        )
    elif label != "true":
        yield Finding(
            Reason.NOT_OPTED_IN,
            f"{title(pod)} runs under the RuntimeClass {found} but lacks the label"
            f' {names.LABEL_MIGRATABLE}: "true", by which a pod that takes its place is known: a'
            " second copy would start beside it; put the label on the pod (in the template of its"
            " owner) and re-create it",
        )


def _excluded(pod: RawPod) -> Iterator[Finding]:
    notes = (pod.get("metadata") or {}).get("annotations") or {}
    if notes.get(names.EXCLUDE) == "true":
        yield Finding(
            Reason.EXCLUDED,
            f'{title(pod)} has the annotation {names.EXCLUDE}: "true", which keeps it where it is;'
            f" to move it, take that off: kubectl -n {pod['metadata'].get('namespace')} annotate"
            f" pod {pod['metadata'].get('name')} {names.EXCLUDE}-",
        )


def check_namespace(namespace: dict[str, Any] | None) -> list[Finding]:
    """Return what a namespace says against every move in it; `namespace`: raw, None if unknown."""
    metadata = (namespace or {}).get("metadata") or {}
    if (metadata.get("labels") or {}).get(names.EXCLUDE) != "true":
        return []
    return [
        Finding(
            Reason.EXCLUDED,
            f'namespace {metadata.get("name")} has the label {names.EXCLUDE}: "true": nothing in'
            " it is moved. Whoever may change the namespace takes that back with kubectl label"
            f" namespace {metadata.get('name')} {names.EXCLUDE}-",
        )
    ]


def _running(pod: RawPod) -> Iterator[Finding]:
    status = pod.get("status") or {}
    phase = status.get("phase") or "unknown"
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        yield Finding(
            Reason.NOT_RUNNING,
            f"{title(pod)} is being deleted; name its replacement once that runs",
        )
    elif phase != "Running":
        yield Finding(
            Reason.NOT_RUNNING,
            f"{title(pod)} is {phase}, only a Running pod has memory to move; wait until it runs",
        )
    else:
        for one in status.get("containerStatuses") or []:
            state = one.get("state") or {}
            if "running" not in state:
                now = next(iter(state), "without a state")
                detail = (state.get(now) or {}).get("reason")
                yield Finding(
                    Reason.NOT_RUNNING,
                    f"container {one.get('name')} of {title(pod)} is {now}"
                    f"{f' ({detail})' if detail else ''}; wait until it runs",
                )


def _containers(pod: RawPod) -> Iterator[Finding]:
    spec = pod.get("spec") or {}
    running = [str(one.get("name")) for one in app_containers(pod)]
    running += [str(one.get("name")) for one in spec.get("ephemeralContainers") or []]
    if len(running) > 1:
        yield Finding(
            Reason.SEVERAL_CONTAINERS,
            f"{title(pod)} has {len(running)} containers ({', '.join(running[:5])}; sidecars and"
            " debug containers count); moving one with its memory while the others start anew is"
            " not built: put the others in a pod of their own",
        )
    for one in spec.get("initContainers") or []:
        powers = [] if is_sidecar(one) else _powers(one)
        if powers:
            yield Finding(
                Reason.INIT_CONTAINERS,
                f"init container {one.get('name')} of {title(pod)} has {', '.join(powers)}: what it"
                " set in the kernel or the network of its pod does not travel, and it does not run"
                " again at the target; take that away, or do its work in the container's own start",
            )


def _powers(container: dict[str, Any]) -> list[str]:
    """By which it can change more than files."""
    context = container.get("securityContext") or {}
    added = [str(one).upper() for one in (context.get("capabilities") or {}).get("add") or []]
    powers = ["privileged: true"] if context.get("privileged") else []
    return powers + [one for one in added if one.removeprefix("CAP_") in _POWERS]


def _host(pod: RawPod) -> Iterator[Finding]:
    spec = pod.get("spec") or {}
    if spec.get("hostNetwork"):
        yield Finding(
            Reason.HOST_NETWORK,
            f"{title(pod)} sets hostNetwork: its addresses belong to its node; take hostNetwork"
            " out and re-create it",
        )
    for field, what in _HOST_NAMESPACES.items():
        if spec.get(field):
            yield Finding(
                Reason.HOST_NAMESPACES,
                f"{title(pod)} sets {field}: it shares the {what} namespace of its node, which"
                f" cannot travel; take {field} out and re-create it",
            )
    if spec.get("shareProcessNamespace"):
        yield Finding(
            Reason.SHARED_PROCESS_NAMESPACE,
            f"{title(pod)} sets shareProcessNamespace: its process tree begins outside the"
            " container; take shareProcessNamespace out and re-create it",
        )


def _volumes(pod: RawPod) -> Iterator[Finding]:
    for volume in (pod.get("spec") or {}).get("volumes") or []:
        kind = next((key for key in volume if key != "name"), "emptyDir")
        where = f"volume {volume.get('name')} of {title(pod)}"
        if kind == "hostPath":
            path = (volume[kind] or {}).get("path")
            yield Finding(
                Reason.HOST_PATH,
                f"{where} is the folder {path} of its node, which does not travel; use an"
                " emptyDir (its contents travel) instead",
            )
        elif kind == "ephemeral":
            yield Finding(
                Reason.PERSISTENT_VOLUME,
                f"{where} is a persistent volume made for this pod, which ends with it; use an"
                " emptyDir (its contents travel)",
            )
        elif kind not in VOLUMES:
            yield Finding(
                Reason.UNSUPPORTED_RESOURCE,
                f"{where} is of the kind {kind}, not supported; supported:"
                f" {', '.join(sorted(VOLUMES))}",
            )


def _terminal(pod: RawPod) -> Iterator[Finding]:
    for one in app_containers(pod):
        asked = [field for field in ("tty", "stdin") if one.get(field)]
        if asked:
            yield Finding(
                Reason.TERMINAL_ATTACHED,
                f"container {one.get('name')} of {title(pod)} sets {' and '.join(asked)}: a"
                " terminal ends on this node; take it out and re-create the pod",
            )


def _devices(pod: RawPod) -> Iterator[Finding]:
    for one in app_containers(pod):
        devices = [str(item.get("name")) for item in one.get("volumeDevices") or []]
        devices += _extended_resources(one)
        if devices:
            yield Finding(
                Reason.DEVICES,
                f"container {one.get('name')} of {title(pod)} uses devices"
                f" ({', '.join(devices[:5])}), whose state stays in this node's hardware; only"
                " containers without devices can be moved",
            )
    claims = [str(item.get("name")) for item in (pod.get("spec") or {}).get("resourceClaims") or []]
    if claims:
        yield Finding(
            Reason.DEVICES,
            f"{title(pod)} has {len(claims)} resourceClaims ({', '.join(claims[:5])}): allocated"
            " devices do not travel; only pods without devices can be moved",
        )


def _extended_resources(container: dict[str, Any]) -> list[str]:
    """Resources of device plug-ins have a domain: `nvidia.com/gpu`."""
    resources = container.get("resources") or {}
    asked = {**(resources.get("requests") or {}), **(resources.get("limits") or {})}
    return [f"{name}: {count}" for name, count in sorted(asked.items()) if "/" in name]
