"""Whatever the older one has done to the pod by then, the younger hears why it is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from podferry.api.migration import (
    Endpoint,
    MigrationSpec,
    MigrationStatus,
    WorkloadKind,
    WorkloadRef,
)
from podferry.controller.core.advance import advance
from podferry.controller.core.status import stamp
from podferry.controller.core.view import View
from tests.property.world import World
from tests.unit.strategies.container.samples import node, pod

DEPLOYMENT = WorkloadRef(WorkloadKind.DEPLOYMENT, "web")


def view(*, other_age: float, other: WorkloadRef = DEPLOYMENT, acts_on: str = "") -> View:
    """A request of the age 10 s beside another one; its owner has no pod of its own any more."""
    base = World("Pod").view()
    fresh = replace(base.migration, status=MigrationStatus(), spec=MigrationSpec(DEPLOYMENT))
    mine = replace(fresh, created_at=stamp(base.now - timedelta(seconds=10)))
    end = Endpoint("node-a", "10.0.0.1", "web-1", acts_on) if acts_on else None
    theirs = replace(
        fresh,
        name="first",
        uid="another",
        spec=MigrationSpec(other),
        created_at=stamp(base.now - timedelta(seconds=other_age)),
        status=MigrationStatus(source=end),
    )
    owner = {"metadata": {"uid": "o"}, "spec": {}}
    return replace(base, migration=mine, pods={}, owner=owner, others=(theirs,))


def reason(asked: View) -> str:
    return advance(asked).status.conditions[0].reason


@pytest.mark.parametrize("acts_on", ["", "u-source"])
def test_the_younger_is_refused_though_its_pod_is_detached(acts_on: str) -> None:
    assert reason(view(other_age=11, acts_on=acts_on)) == "AlreadyMigrating"


def test_the_older_is_not_stopped_by_the_younger() -> None:
    assert reason(view(other_age=9)) == "NotRunning"


def test_a_pod_that_another_request_moves_under_another_name_is_refused() -> None:
    source = pod()
    source["metadata"].update(uid="u-source", ownerReferences=[])
    name, home = source["metadata"]["name"], source["spec"]["nodeName"]
    there = WorkloadRef(WorkloadKind.POD, name)
    asked = view(other_age=9, other=DEPLOYMENT, acts_on="u-source")
    migration = replace(asked.migration, spec=MigrationSpec(there))
    asked = replace(asked, migration=migration, pods={name: source}, nodes={home: node(home)})
    assert reason(asked) == "AlreadyMigrating"
