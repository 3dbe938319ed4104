"""A delete that was lost with a leader is repeated; a source that stays would be moved again."""

from __future__ import annotations

import copy

import pytest

from podferry.controller.core.actions import DeletePod
from podferry.controller.core.advance import advance
from podferry.wire.stages import Role
from tests.property.world import World


@pytest.mark.parametrize("kind", ["ReplicaSet", "Job"])
def test_its_delete_is_repeated_without_a_grace_period(kind: str) -> None:
    world = World(kind)
    source = copy.deepcopy(world.pods["app"])
    while world.stages[Role.TARGET] != "Forgotten" or "app" in world.pods:
        world.reconcile()
    assert advance(world.view()).status.phase == "Succeeded"
    world.pods["app"] = source
    for _ in range(2):
        step = advance(world.view())
        assert step.status.phase == "Releasing"
        assert step.actions == (DeletePod("ns", "app", "u-source", 0),)
