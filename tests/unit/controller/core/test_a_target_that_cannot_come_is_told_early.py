"""A quota or the scheduler says no: the move turns back in seconds, with their words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from podferry.api.migration import Decision
from podferry.controller.core import blocked
from podferry.controller.core.advance import advance
from tests.property.world import World

QUOTA = (
    'pods "app-2" is forbidden: exceeded quota: tight, requested: pods=1, used: pods=1,'
    " limited: pods=1"
)
WEBHOOK = 'Internal error occurred: failed calling webhook "pods.podferry.dev"'


def _until_claimed(world: World) -> None:
    for _ in range(100):
        if world.status.claim is not None:
            return
        world.reconcile()
    raise AssertionError("no target pod was claimed")


def _later(world: World, **changes: Any) -> Any:
    view = world.view()
    late = view.now + timedelta(seconds=blocked.PATIENCE_SECONDS + 1)
    return advance(replace(view, now=late, **changes)).status


@pytest.mark.parametrize(
    ("message", "decision", "reason"),
    [(QUOTA, Decision.ROLLED_BACK, "QuotaExceeded"), (WEBHOOK, Decision.UNDECIDED, "")],
)
def test_an_owner_that_is_refused_the_pod_turns_the_move_back(
    message: str, decision: Decision, reason: str
) -> None:
    world = World("ReplicaSet")
    _until_claimed(world)
    view = world.view()
    assert view.owner is not None
    failure = {"type": "ReplicaFailure", "status": "True", "message": message}
    owner = {**view.owner, "status": {"conditions": [failure]}}
    alone = {name: pod for name, pod in view.pods.items() if name != "app-2"}
    status = _later(world, owner=owner, pods=alone)
    assert (status.decision, status.decision_reason) == (decision, reason)
    assert decision is Decision.UNDECIDED or QUOTA in status.decision_message


@pytest.mark.parametrize("nominated", ["", "node-b"])
def test_a_pod_that_the_scheduler_refuses_turns_it_back_unless_it_preempts(nominated: str) -> None:
    world = World("ReplicaSet")
    _until_claimed(world)
    world.pods["app-2"]["status"] = {
        "phase": "Pending",
        "nominatedNodeName": nominated,
        "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
             "message": "0/2 nodes are available: 1 Insufficient memory"}
        ],
    }  # fmt: skip
    status = _later(world)
    assert (status.decision is Decision.UNDECIDED) is bool(nominated)
    assert nominated or "1 Insufficient memory" in status.decision_message
