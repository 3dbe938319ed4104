"""An upgrade restarts agents and controller together; a request in that moment is not refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from podferry.api.migration import MigrationSpec, MigrationStatus, WorkloadKind, WorkloadRef
from podferry.controller.core.accept import AGENT_GRACE_SECONDS
from podferry.controller.core.advance import advance
from podferry.controller.core.status import stamp
from podferry.controller.core.view import View
from tests.property.world import World
from tests.unit.strategies.container.samples import node, pod


def _view(*, seconds_old: float, target_facts: bool, asked: str) -> View:
    base = World("Pod").view()
    source = pod()
    source["metadata"]["ownerReferences"] = []
    name = source["metadata"]["name"]
    home = source["spec"]["nodeName"]
    more: dict[str, Any] = {} if target_facts else {"facts": None}
    spec = MigrationSpec(WorkloadRef(WorkloadKind.POD, name), target_node=asked)
    migration = replace(
        base.migration,
        spec=spec,
        status=MigrationStatus(),
        created_at=stamp(base.now - timedelta(seconds=seconds_old)),
    )
    nodes = {home: node(home), "node-z": node("node-z", **more)}
    return replace(base, migration=migration, pods={name: source}, nodes=nodes)


@pytest.mark.parametrize("asked", ["node-z", ""])
def test_while_it_is_young_nothing_is_said_or_done(asked: str) -> None:
    view = _view(seconds_old=1, target_facts=False, asked=asked)
    step = advance(view)
    assert (step.status, step.actions) == (view.migration.status, ())
    assert step.requeue_after_seconds == 1.0


@pytest.mark.parametrize(("asked", "reason"), [("node-z", "AgentMissing"), ("", "NoEligible")])
def test_after_the_grace_it_is_refused_with_the_reason(asked: str, reason: str) -> None:
    view = _view(seconds_old=AGENT_GRACE_SECONDS + 1, target_facts=False, asked=asked)
    status = advance(view).status
    assert status.phase == "Failed"
    assert status.conditions[0].reason.startswith(reason)


def test_with_every_agent_there_it_goes_on_at_once() -> None:
    status = advance(_view(seconds_old=1, target_facts=True, asked="node-z")).status
    assert status.phase == "Pending"
    assert status.target is not None
    assert status.target.node == "node-z"
