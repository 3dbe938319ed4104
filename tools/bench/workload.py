"""The measured workload, a counter that dirties 5 MB/s, as each mover wants it. Pure.

Both movers get the same container, memory and node; only what makes a pod movable differs.
"""

from __future__ import annotations

from typing import Any

from podferry.wire import names

NAMESPACE = "bench"
PORT = 9000
RATE = 5
"""MB/s that the workload writes over and over."""
SOURCE, TARGET = "node-a", "node-b"
HANDLER = "podferry-bench-by-hand"
RESTORE = "bench.podferry.dev/restore"
"""On the target pod of a move by hand: its `create` waits for the image."""


def container(mebibytes: int) -> dict[str, Any]:
    """The one container."""
    return {
        "name": "app",
        "image": "registry.lab/app:1",
        "imagePullPolicy": "Never",
        "env": [
            {"name": "MB", "value": str(mebibytes)},
            {"name": "RATE", "value": str(RATE)},
        ],
        "ports": [{"containerPort": PORT}],
    }


def service(name: str) -> dict[str, Any]:
    """A Service in front of the pods of one mover."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"app": name}, "ports": [{"port": PORT}]},
    }


def owner(kind: str, name: str, mebibytes: int) -> dict[str, Any]:
    """A Deployment or StatefulSet with one pod that prefers the source node."""
    labels = {"app": name}
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [SOURCE]}
    prefer = {"weight": 100, "preference": {"matchExpressions": [here]}}
    pod = {
        "metadata": {"labels": {**labels, names.LABEL_MIGRATABLE: "true"}},
        "spec": {
            "containers": [container(mebibytes)],
            "terminationGracePeriodSeconds": 0,
            "affinity": {
                "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [prefer]}
            },
        },
    }
    spec: dict[str, Any] = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod}
    if kind == "StatefulSet":
        spec["serviceName"] = name
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


def migration(kind: str, name: str, copy: str, request: str) -> dict[str, Any]:
    """The request to move that workload."""
    return {
        "apiVersion": f"{names.GROUP}/{names.VERSION}",
        "kind": "Migration",
        "metadata": {"name": request, "namespace": NAMESPACE},
        "spec": {
            "workloadRef": {"kind": kind, "name": name},
            "targetNode": TARGET,
            "copy": copy,
        },
    }


def hand_pod(name: str, app: str, node: str, mebibytes: int, *, restore: bool) -> dict[str, Any]:
    """A pod of the mover by hand; with `restore` its container waits in `create`."""
    notes = {RESTORE: "wait"} if restore else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"app": app},
            "annotations": notes,
        },
        "spec": {
            "nodeName": node,
            "runtimeClassName": HANDLER,
            "restartPolicy": "Never",  # a rehearsal that ended must not ask for an image again
            "terminationGracePeriodSeconds": 0,
            "containers": [container(mebibytes)],
        },
    }


def runtime_class() -> dict[str, Any]:
    """The RuntimeClass of the mover by hand."""
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": HANDLER},
        "handler": HANDLER,
    }


def pod_path(name: str = "", query: str = "") -> str:
    """Path of the namespace's pods, or of one."""
    return _path("/api/v1", "pods", name, query)


def service_path(name: str) -> str:
    """Path of a Service."""
    return _path("/api/v1", "services", name)


def owner_path(kind: str, name: str = "") -> str:
    """Path of the Deployments or StatefulSets, or of one."""
    return _path("/apis/apps/v1", f"{kind.lower()}s", name)


def migration_path(name: str = "") -> str:
    """Path of the Migrations, or of one."""
    return _path(f"/apis/{names.GROUP}/{names.VERSION}", names.PLURAL, name)


def _path(group: str, plural: str, name: str, query: str = "") -> str:
    tail = f"/{name}" if name else ""
    return f"{group}/namespaces/{NAMESPACE}/{plural}{tail}" + (f"?{query}" if query else "")
