"""freezeFirst in the core: what is known before the pause, what it waits for, and for how long."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from podferry.api.migration import Decision
from podferry.api.reasons import Condition, Reason
from podferry.controller.core import freeze_first
from podferry.controller.core.actions import OrderAgent
from podferry.controller.core.advance import advance
from podferry.controller.core.status import condition, is_true
from podferry.controller.core.view import Need, Step, View
from podferry.wire.stages import Order
from tests.property.world import World


def accepted() -> World:
    return World("ReplicaSet", freeze_first=True)


def paused() -> World:
    world = accepted()
    world.reconcile()
    assert world.source.frozen
    return world


def orders(step: Step) -> list[tuple[str, str]]:
    return [(one.order.role.value, one.order.stage) for one in step.actions
            if isinstance(one, OrderAgent)]  # fmt: skip


def later(view: View, seconds: float) -> View:
    """The same, and both agents answer still."""
    return replace(view, now=view.now + timedelta(seconds=seconds))


def told(step: Step) -> str:
    found = condition(step.status, Condition.PROGRESSING)
    assert found is not None
    return found.reason


def test_the_pause_is_the_first_order_and_is_known_before_it() -> None:
    step = advance(accepted().view())
    assert orders(step) == [("source", "Prepared")]
    (order,) = step.actions
    assert isinstance(order, OrderAgent)
    assert order.order.params["pauseFirst"] is True
    assert (step.status.freeze_epoch, order.order.freeze_epoch) == (1, 1)
    assert step.status.frozen_at


def test_a_move_that_does_not_ask_for_it_prepares_its_target_first() -> None:
    step = advance(World("ReplicaSet").view())
    assert orders(step) == [("target", "Prepared")]
    assert step.status.freeze_epoch == 0


def test_a_leader_that_died_before_its_order_is_followed_by_one_that_repeats_it() -> None:
    world = accepted()
    world.status = advance(world.view()).status
    assert world.view().source is None
    step = advance(world.view())
    assert (orders(step), step.status.freeze_epoch) == ([("source", "Prepared")], 1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"need": Need(None, "node-a is silent")}, Reason.NODE_UNKNOWN),
        ({"ending": True}, Reason.CONTROLLER_ENDING),
    ],
)
def test_nothing_is_paused_while_the_moment_is_wrong(change: Any, reason: Reason) -> None:
    step = advance(replace(accepted().view(), **change))
    assert (told(step), step.actions, step.status.freeze_epoch) == (reason, (), 0)


@pytest.mark.parametrize("facts", [None, {"draining": True}, {"protocol": 9, "protocolOldest": 8}])
def test_nothing_is_paused_before_both_agents_can_go_on(facts: Any) -> None:
    view = accepted().view()
    target = replace(view.nodes["node-b"], facts=facts)
    step = advance(replace(view, nodes={**view.nodes, "node-b": target}))
    assert (step.actions, step.status.freeze_epoch) == ((), 0)
    step = advance(later(replace(view, nodes={**view.nodes, "node-b": target}), 91))
    assert step.status.decision is Decision.ROLLED_BACK
    assert "nothing was frozen" in step.status.decision_message


def test_a_pressure_that_went_before_the_pause_ends_the_move() -> None:
    step = advance(replace(accepted().view(), need=Need(False, "it has gone")))
    assert step.status.decision_reason == Reason.PRESSURE_GONE


def test_what_is_paused_waits_neither_for_a_new_leader_nor_for_a_need() -> None:
    world = paused()
    for _ in range(100):
        step = advance(replace(world.view(), ending=True, need=Need(None, "?")))
        if is_true(step.status, Condition.TARGET_READY):
            break
        world.reconcile()
    assert is_true(step.status, Condition.TARGET_READY)
    assert step.status.freeze_epoch == 1


def test_a_target_that_does_not_come_wakes_the_source_up() -> None:
    view = paused().view()
    assert advance(later(view, 29)).status.decision is Decision.UNDECIDED
    step = advance(later(view, 31))
    assert step.status.decision_reason == Reason.TARGET_UNSCHEDULABLE
    assert "frozen first for 31 s" in step.status.decision_message


def test_the_silence_of_the_source_does_not_keep_it_frozen() -> None:
    view = replace(paused().view(), source_age_seconds=50.0)
    assert advance(later(view, 31)).status.decision is Decision.ROLLED_BACK


@pytest.mark.parametrize(("liveness", "budget", "limit"),
                         [(None, None, 30.0), (3, None, 12.5), (3, 8.0, 4.0)])  # fmt: skip
def test_half_of_the_longest_freeze_is_left_for_dump_and_restore(
    liveness: int | None, budget: float | None, limit: float
) -> None:
    world = paused()
    if liveness is not None:
        (container,) = world.pods["app"]["spec"]["containers"]
        container["livenessProbe"] = {"periodSeconds": 10, "failureThreshold": liveness}
    view = world.view()
    spec = replace(view.migration.spec, max_freeze_seconds=budget)
    view = replace(view, migration=replace(view.migration, spec=spec))
    assert freeze_first.patience(view) == limit


class OldAgent(World):
    """Its source's agent does not know `pauseFirst`."""

    def _source(self, order: Order) -> bool:
        params = {key: value for key, value in order.params.items() if key != "pauseFirst"}
        self.freeze_first = False
        try:
            return super()._source(replace(order, params=params))
        finally:
            self.freeze_first = True


def test_an_older_agent_pauses_later_and_the_move_is_as_ever() -> None:
    world = OldAgent("ReplicaSet", freeze_first=True)
    for _ in range(100):
        if not is_true(world.status, Condition.TARGET_READY):
            assert not world.source.frozen
        if world.reconcile():
            break
    assert (world.status.phase, world.violations) == ("Succeeded", [])
