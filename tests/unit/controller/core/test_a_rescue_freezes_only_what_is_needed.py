"""The target is held: freeze if the move is needed, take it back if not, wait if nobody knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from podferry.api.migration import Decision
from podferry.controller.core.advance import advance
from podferry.controller.core.undecided import PREPARE_SECONDS
from podferry.controller.core.view import Need, Step, View
from podferry.wire.stages import Role
from tests.property.world import World

KNOWN, GONE, UNKNOWN = (
    Need(True, "short"),
    Need(False, "it has gone"),
    Need(None, "node a is silent"),
)


def held(kind: str) -> World:
    """Everything is ready, and the next step would freeze."""
    world = World(kind)
    while not (world.claimed_by and world.stages[Role.SOURCE] == "Prepared"):
        found = step(world, UNKNOWN)
        world.status = found.status
        for action in found.actions:
            world._do(action)
        world.now += timedelta(seconds=0.1)
        world._world_moves()
    assert world.status.freeze_epoch == 0
    return world


def step(world: World, need: Need | None, *, late: float = 0.0) -> Step:
    view: View = replace(world.view(), need=need)
    return advance(replace(view, now=view.now + timedelta(seconds=late)))


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet"])
@pytest.mark.parametrize("need", [None, KNOWN])
def test_what_is_needed_or_nobody_s_rescue_is_frozen(kind: str, need: Need | None) -> None:
    found = step(held(kind), need)
    assert found.status.freeze_epoch == 1


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet"])
def test_what_is_not_needed_is_rolled_back_untouched(kind: str) -> None:
    found = step(held(kind), GONE)
    assert found.status.decision is Decision.ROLLED_BACK
    assert (found.status.decision_reason, found.status.freeze_epoch) == ("PressureGone", 0)
    assert "it has gone" in found.status.decision_message


def test_what_nobody_knows_waits_and_says_for_what() -> None:
    found = step(held("ReplicaSet"), UNKNOWN)
    assert (found.status.decision, found.status.freeze_epoch) == (Decision.UNDECIDED, 0)
    progress = next(one for one in found.status.conditions if one.type == "Progressing")
    assert progress.reason == "NodeUnknown"
    assert "node a is silent; nothing is frozen until it is known" in progress.message


def test_what_nobody_knows_for_long_is_rolled_back_with_that_reason() -> None:
    found = step(held("ReplicaSet"), UNKNOWN, late=PREPARE_SECONDS + 1)
    assert found.status.decision is Decision.ROLLED_BACK
    assert found.status.decision_reason == "NodeUnknown"
    assert "node a is silent; waited" in found.status.decision_message
