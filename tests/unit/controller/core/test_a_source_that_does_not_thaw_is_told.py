"""A workload that stands still longer than a thaw takes is a thing that a person must learn of."""

from __future__ import annotations

from podferry.api.migration import Decision
from podferry.api.reasons import Condition
from podferry.controller.core.actions import OrderAgent, RecordEvent
from podferry.controller.core.advance import advance
from podferry.controller.core.rollback import LATE_THAW_SECONDS
from podferry.controller.core.status import condition
from tests.property.world import World


def stuck(seconds: float) -> World:
    """A roll back whose source cannot be thawed, so long after the decision."""
    world = World("ReplicaSet", fail_at="Sealed", thaw_failures=1000)
    while world.status.decision is not Decision.ROLLED_BACK:
        world.reconcile()
    decided = world.now
    while (world.now - decided).total_seconds() < seconds:
        world.reconcile()
    return world


def test_the_condition_and_an_event_name_the_pod_and_its_node() -> None:
    world = stuck(LATE_THAW_SECONDS + 1)
    step = advance(world.view())
    said = condition(step.status, Condition.PROGRESSING)
    assert said is not None
    assert (said.status, said.reason) == ("True", "SourceNotThawed")
    assert "pod app on node-a may still be frozen" in said.message
    (event,) = [item for item in step.actions if isinstance(item, RecordEvent)]
    assert (event.type, event.reason, event.pod) == ("Warning", "SourceNotThawed", "app")


def test_it_is_written_once_and_asked_for_again_and_again() -> None:
    world = stuck(LATE_THAW_SECONDS + 1)
    world.reconcile()
    first, second = advance(world.view()), advance(world.view())
    assert first.status == second.status == world.status
    orders = [item.order.stage for item in second.actions if isinstance(item, OrderAgent)]
    assert orders == ["Thawed"]


def test_a_thaw_of_ordinary_length_is_no_news() -> None:
    step = advance(stuck(LATE_THAW_SECONDS - 5).view())
    said = condition(step.status, Condition.PROGRESSING)
    assert said is not None
    assert said.reason == "RollingBack"


def test_once_it_is_awake_the_roll_back_ends_as_ever() -> None:
    world = World("ReplicaSet", fail_at="Sealed", thaw_failures=200)
    for _ in range(300):
        if world.reconcile():
            break
    assert world.status.phase == "RolledBack"
    assert not world.violations
