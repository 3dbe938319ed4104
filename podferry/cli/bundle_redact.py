"""What of an object goes into a support bundle: lists of what is kept, never of what is left out.

Pure. A field that is not named here does not leave the cluster, so one that Kubernetes invents
tomorrow does not either. Never kept: env, arguments, what a workload or its probes printed,
annotations that are not ours, values of labels that are not ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from podferry.wire.names import ANNOTATION_DETACHED, GROUP

Object = dict[str, Any]
LEFT_OUT = "(left out)"

_METADATA = (
    "name", "namespace", "uid", "generation", "resourceVersion", "creationTimestamp",
    "deletionTimestamp", "deletionGracePeriodSeconds", "finalizers", "ownerReferences",
)  # fmt: skip
_POD_SPEC = (
    "nodeName", "runtimeClassName", "schedulerName", "priorityClassName", "priority",
    "restartPolicy", "hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace",
    "serviceAccountName", "terminationGracePeriodSeconds", "activeDeadlineSeconds",
    "readinessGates", "schedulingGates", "overhead",
)  # fmt: skip
_CONTAINER = (
    "name", "image", "imagePullPolicy", "restartPolicy", "resources", "ports", "tty", "stdin",
)  # fmt: skip
_PROBE = (
    "initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold",
    "failureThreshold", "terminationGracePeriodSeconds",
)  # fmt: skip
_POD_STATUS = (
    "phase", "reason", "message", "conditions", "hostIP", "podIP", "podIPs", "startTime",
    "qosClass", "nominatedNodeName", "observedGeneration",
)  # fmt: skip
_CONTAINER_STATUS = (
    "name", "ready", "started", "restartCount", "image", "imageID", "containerID",
)  # fmt: skip
_STATE = ("reason", "exitCode", "signal", "startedAt", "finishedAt", "containerID")
_EVENT = (
    "type", "reason", "action", "note", "regarding", "eventTime", "series", "reportingController",
    "reportingInstance", "deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount",
)  # fmt: skip
_NODE_INFO = (
    "kernelVersion", "osImage", "containerRuntimeVersion", "kubeletVersion", "kubeProxyVersion",
    "operatingSystem", "architecture", "bootID",
)  # fmt: skip
_NODE_LABELS = (
    "kubernetes.io/arch", "kubernetes.io/hostname", "kubernetes.io/os",
    "topology.kubernetes.io/region", "topology.kubernetes.io/zone",
)  # fmt: skip


def migration(raw: Object) -> Object:
    """A Migration: spec and status whole, but for the labels that were taken off its pod."""
    status = dict(raw.get("status") or {})
    if status.get("detachedLabels"):
        status["detachedLabels"] = _labels(status["detachedLabels"])
    return {**_head(raw), "spec": raw.get("spec") or {}, "status": status}


def event(raw: Object) -> Object:
    """An event: what was said of what, when and by whom."""
    return {**_head(raw), **_only(raw, _EVENT)}


def pod(raw: Object, *, ours: bool = False) -> Object:
    """A pod; `ours`: of podferry itself, so that what its containers' runtime said is kept."""
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    kept_spec = _only(spec, _POD_SPEC)
    kept_status = _only(status, _POD_STATUS)
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        if spec.get(kind):
            kept_spec[kind] = [_container(one) for one in spec[kind]]
    for kind in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        if status.get(kind):
            kept_status[kind] = [_container_status(one, ours) for one in status[kind]]
    kept_spec["volumes"] = [_volume(one) for one in spec.get("volumes") or []]
    return {**_head(raw), "spec": kept_spec, "status": kept_status}


def node(raw: Object) -> Object:
    """A node: conditions, taints, versions, what it can hold."""
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    kept = _head(raw)
    labels = (raw.get("metadata") or {}).get("labels") or {}
    kept["metadata"]["labels"] |= _only(labels, _NODE_LABELS)
    kept["spec"] = _only(spec, ("unschedulable", "podCIDR"))
    kept["spec"]["taints"] = [_only(one, ("key", "effect")) for one in spec.get("taints") or []]
    kept["status"] = _only(status, ("conditions", "addresses", "allocatable", "capacity"))
    kept["status"]["nodeInfo"] = _only(status.get("nodeInfo") or {}, _NODE_INFO)
    return kept


def is_ours(key: str) -> bool:
    """Whether a label or an annotation is podferry's by its prefix."""
    return key.partition("/")[0] == GROUP


def _only(raw: Mapping[str, Any], names: Iterable[str]) -> Object:
    return {name: raw[name] for name in names if name in raw}


def _head(raw: Object) -> Object:
    """Kind and metadata; both may be missing from what a server sends."""
    metadata = raw.get("metadata") or {}
    kept = _only(metadata, _METADATA)
    kept["labels"] = _labels(metadata.get("labels") or {})
    kept["annotations"] = {
        key: _taken_labels(value) if key == ANNOTATION_DETACHED else value
        for key, value in (metadata.get("annotations") or {}).items()
        if is_ours(key)
    }
    return {**_only(raw, ("apiVersion", "kind")), "metadata": kept}


def _labels(labels: Mapping[str, Any]) -> Object:
    return {key: value if is_ours(key) else LEFT_OUT for key, value in labels.items()}


def _taken_labels(text: str) -> str:
    """The annotation that keeps a pod's own labels, without their values."""
    try:
        labels = json.loads(text)
    except ValueError:
        return LEFT_OUT
    return json.dumps(_labels(labels), sort_keys=True) if isinstance(labels, dict) else LEFT_OUT


def _container(raw: Object) -> Object:
    kept = _only(raw, _CONTAINER)
    # How many, because a person asks whether it was forgotten or left out.
    for name in ("env", "envFrom", "command", "args"):
        if raw.get(name):
            kept[name] = f"{LEFT_OUT}: {len(raw[name])}"
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if raw.get(name):
            how = [key for key in ("exec", "httpGet", "tcpSocket", "grpc") if key in raw[name]]
            kept[name] = {**_only(raw[name], _PROBE), "how": "".join(how)}
    if raw.get("lifecycle"):
        kept["lifecycle"] = sorted(raw["lifecycle"])
    kept["volumeMounts"] = [
        _only(one, ("name", "mountPath", "readOnly", "mountPropagation"))
        for one in raw.get("volumeMounts") or []
    ]
    security = raw.get("securityContext") or {}
    names = ("privileged", "runAsUser", "runAsGroup", "readOnlyRootFilesystem", "capabilities")
    kept["securityContext"] = _only(security, names)
    return kept


def _volume(raw: Object) -> Object:
    """Name and kind; of what it holds only what decides over a move."""
    kept: Object = {"name": raw.get("name"), "kind": "".join(key for key in raw if key != "name")}
    for kind in ("emptyDir", "persistentVolumeClaim", "hostPath"):
        if raw.get(kind):
            names = ("medium", "sizeLimit", "claimName", "readOnly", "path", "type")
            kept[kind] = _only(raw[kind], names)
    return kept


def _container_status(raw: Object, ours: bool) -> Object:
    kept = _only(raw, _CONTAINER_STATUS)
    for name in ("state", "lastState"):
        kept[name] = {word: _state(at, ours) for word, at in (raw.get(name) or {}).items()}
    return kept


def _state(raw: Object, ours: bool) -> Object:
    kept = _only(raw, _STATE)
    if raw.get("message"):
        # A workload writes this itself, or a runtime quotes its command line.
        kept["message"] = raw["message"] if ours else LEFT_OUT
    return kept
