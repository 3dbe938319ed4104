"""A pod and two nodes that nothing stands against, and ways to spoil them."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from podferry.api import migration as m
from podferry.controller.core.view import NodeView

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
GIB = 2**30

_POD: dict[str, Any] = {
    "metadata": {
        "name": "counter-abc",
        "namespace": "shop",
        "uid": "u1",
        "labels": {"podferry.dev/migratable": "true"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": "counter", "controller": True}],
    },
    "spec": {
        "runtimeClassName": "podferry",
        "nodeName": "node-a",
        "containers": [
            {"name": "app", "resources": {"requests": {"cpu": "1", "memory": "512Mi"}}},
        ],
        "volumes": [
            {"name": "scratch", "emptyDir": {}},
            {"name": "token", "projected": {}},
            {"name": "settings", "configMap": {"name": "s"}},
            {"name": "keys", "secret": {}},
            {"name": "who", "downwardAPI": {}},
        ],
    },
    "status": {
        "phase": "Running",
        "containerStatuses": [{"name": "app", "state": {"running": {}}}],
    },
}


def pod(**spec: Any) -> dict[str, Any]:
    """A movable pod with these fields of its spec set."""
    found = copy.deepcopy(_POD)
    found["spec"].update(spec)
    return found


def with_container(**fields: Any) -> dict[str, Any]:
    """A movable pod whose one container has these fields."""
    found = pod()
    found["spec"]["containers"][0].update(fields)
    return found


def with_meta(**fields: Any) -> dict[str, Any]:
    """A movable pod with these fields of its metadata."""
    found = pod()
    found["metadata"].update(fields)
    return found


def with_status(**fields: Any) -> dict[str, Any]:
    """A movable pod with these fields of its status."""
    found = pod()
    found["status"].update(fields)
    return found


def facts(**fields: Any) -> dict[str, Any]:
    """Node facts of a capable node."""
    return {
        "criuVersion": "4.2.1",
        "runcVersion": "1.3.6",
        "cgroup": "v2",
        "cpuFeatures": ["avx", "avx2", "sse4_2"],
        "freezeInRestore": True,
        "handlerInstalled": True,
        "userfaultfd": True,
        "problems": [],
        **fields,
    }


def node(name: str, **fields: Any) -> NodeView:
    """A capable node with 4 GiB of which 1 GiB is requested."""
    view = NodeView(
        name=name,
        address="10.0.0.1",
        ready=True,
        cordoned=False,
        taints=(),
        labels={"kubernetes.io/arch": "amd64"},
        allocatable_bytes=4 * GIB,
        requested_bytes=GIB,
        facts=facts(),
    )
    return replace(view, **fields)


def move(
    size: int,
    freeze: float,
    *,
    copy_mode: str = "StopAndCopy",
    minutes_ago: float = 12,
    **status: Any,
) -> m.Migration:
    """A finished Migration with its measurements."""
    found = m.MigrationStatus(
        phase="Succeeded",
        owner=m.OwnerRef(kind="ReplicaSet", name="app", uid="o"),
        copy=copy_mode,
        completed_at=(NOW - timedelta(minutes=minutes_ago)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        measured=m.Measured(freeze_seconds=freeze, total_seconds=freeze + 2.0, bytes=size),
    )
    return m.Migration(
        namespace="shop",
        name="m",
        uid="u",
        generation=1,
        resource_version="1",
        deletion_requested=False,
        finalizers=(),
        created_at="",
        spec=m.MigrationSpec(m.WorkloadRef(m.WorkloadKind.POD, "p")),
        status=replace(found, **status),
    )
