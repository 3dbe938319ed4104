"""A replacement that our webhook never sees starts as a second copy beside the workload."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from podferry.api.errors import PreconditionError
from podferry.api.migration import (
    Migration,
    MigrationSpec,
    MigrationStatus,
    WorkloadKind,
    WorkloadRef,
)
from podferry.controller.core import owners
from podferry.controller.core.view import View

OPTED_IN = {"app": "web", "podferry.dev/migratable": "true"}


def resolved(kind: str, owner: dict[str, Any] | None) -> owners.Resolved:
    reference = {"kind": kind, "name": "web", "uid": "o", "controller": True}
    pod = {
        "metadata": {
            "name": "web-1", "namespace": "ns", "uid": "u", "labels": OPTED_IN,
            "ownerReferences": [reference] if owner else [],
        },
        "spec": {"nodeName": "node-a", "containers": [{"name": "app"}]},
    }  # fmt: skip
    migration = Migration(
        "ns", "m", "mig", 1, "1", False, (), "",
        MigrationSpec(WorkloadRef(WorkloadKind.POD, "web-1")), MigrationStatus(),
    )  # fmt: skip
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return owners.resolve(View(migration, now, {"web-1": pod}, {}, owner))


def owner(labels: dict[str, str]) -> dict[str, Any]:
    template = {"metadata": {"labels": labels}, "spec": {}}
    return {"metadata": {"uid": "o"}, "spec": {"replicas": 1, "template": template}}


@pytest.mark.parametrize("kind", ["ReplicaSet", "Job", "StatefulSet"])
@pytest.mark.parametrize("labels", [{"app": "web"}, {**OPTED_IN, "podferry.dev/migratable": "no"}])
def test_a_template_without_the_label_is_named(kind: str, labels: dict[str, str]) -> None:
    with pytest.raises(PreconditionError) as refusal:
        resolved(kind, owner(labels))
    assert refusal.value.reason == "NotOptedIn"
    assert f"template of {kind} web" in refusal.value.message
    assert "second copy" in refusal.value.message


def test_a_template_with_the_label_and_a_pod_without_an_owner_pass() -> None:
    assert resolved("ReplicaSet", owner(OPTED_IN)).endpoint.pod == "web-1"
    assert resolved("Pod", None).owner is None
