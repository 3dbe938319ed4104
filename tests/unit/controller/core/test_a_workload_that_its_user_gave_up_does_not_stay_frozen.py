"""A kept name whose owner and Migration are deleted after the decision: nobody is to resume it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from podferry.api.migration import Decision
from podferry.controller.core.actions import OrderAgent
from podferry.controller.core.advance import advance
from podferry.controller.core.view import Step, View
from podferry.wire.stages import Progress, Role
from tests.property.world import World


def committed(kind: str) -> World:
    """Decided, the source's pod deleted, and no pod in which it could go on."""
    world = World(kind)
    for _ in range(100):
        if world.stages[Role.SOURCE] == "Sealed":
            break
        world.reconcile()
    world.status = advance(world.view()).status
    assert world.status.decision is Decision.COMMITTED
    world.pods.clear()
    world.owner_alive = False
    assert world.target is not None
    world.target.alive = False  # its rehearsal was ended to make room for the final pod
    return world


def given_up(world: World) -> View:
    view = world.view()
    return replace(view, migration=replace(view.migration, deletion_requested=True))


def ordered(step: Step, role: Role) -> list[str]:
    """Stages that this step orders of a role."""
    agents = [item.order for item in step.actions if isinstance(item, OrderAgent)]
    return [order.stage for order in agents if order.role is role]


@pytest.mark.parametrize("kind", ["StatefulSet", "Pod"])
def test_it_is_taken_back_once_the_target_is_out(kind: str) -> None:
    world = committed(kind)
    view = given_up(world)
    assert ordered(advance(view), Role.TARGET) == ["Disarmed"]
    assert view.target is not None
    out = replace(view.target, stage="Disarmed", progress=Progress.REACHED)
    step = advance(replace(view, target=out))
    assert step.status.decision is Decision.REVERTED
    # Its pod is gone, and still it must wake up: only then kubelet can end it.
    after = replace(view, target=out, migration=replace(view.migration, status=step.status))
    assert ordered(advance(after), Role.SOURCE) == ["Thawed"]


def test_an_owner_that_is_gone_alone_may_come_back() -> None:
    world = committed("StatefulSet")
    assert ordered(advance(world.view()), Role.TARGET) == ["Resumed"]


def test_an_owner_that_is_there_still_makes_its_pod() -> None:
    world = committed("StatefulSet")
    world.owner_alive = True
    assert ordered(advance(given_up(world)), Role.TARGET) == ["Resumed"]
