"""Pods and Migrations for the webhook's tests."""

from __future__ import annotations

from typing import Any

from podferry.api.migration import (
    Claim,
    Decision,
    Endpoint,
    Migration,
    MigrationSpec,
    MigrationStatus,
    OwnerRef,
    WorkloadKind,
    WorkloadRef,
)


def pod(**changes: Any) -> dict[str, Any]:
    """A pod as a ReplicaSet makes it; `owner` is (kind, uid)."""
    kind, uid = changes.pop("owner", ("ReplicaSet", "rs-1"))
    metadata: dict[str, Any] = {
        "generateName": "web-",
        "namespace": "default",
        "labels": {"app": "web", "podferry.dev/migratable": "true"},
        "ownerReferences": [{"kind": kind, "name": "web", "uid": uid, "controller": True}],
    }
    metadata |= changes.pop("metadata", {})
    spec: dict[str, Any] = {"containers": [{"name": "web", "image": "web:1"}]}
    spec |= changes
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def status(**changes: Any) -> MigrationStatus:
    """A Deployment's move whose source is detached and whose target is not claimed yet."""
    values: dict[str, Any] = {
        "phase": "PreparingTarget",
        "owner": OwnerRef(kind="ReplicaSet", name="web", uid="rs-1"),
        "source": Endpoint(node="node-a", pod="web-old", uid="pod-1"),
        "target": Endpoint(node="node-b"),
        "attempt": 1,
        "source_detached": True,
    }
    return MigrationStatus(**{**values, **changes})


def same_name(**changes: Any) -> MigrationStatus:
    """A StatefulSet's move."""
    values: dict[str, Any] = {
        "owner": OwnerRef(kind="StatefulSet", name="db", uid="sts-1"),
        "source": Endpoint(node="node-a", pod="db-0", uid="pod-1"),
        "source_detached": False,
    }
    return status(**{**values, **changes})


def migration(of: MigrationStatus | None = None) -> Migration:
    return Migration(
        namespace="default",
        name="move",
        uid="mig-1",
        generation=1,
        resource_version="7",
        deletion_requested=False,
        finalizers=("podferry.dev/migration",),
        created_at="2026-01-01T00:00:00Z",
        spec=MigrationSpec(WorkloadRef(WorkloadKind.DEPLOYMENT, "web")),
        status=of or status(),
    )


CLAIMED = Claim(token="t-0", attempt=1, at="2026-01-01T00:00:00Z")
COMMITTED = Decision.COMMITTED
ROLLED_BACK = Decision.ROLLED_BACK
