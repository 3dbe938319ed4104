"""PostCopy whose target's node rebooted before the last page: named, with ways out for a person."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podferry.api.migration import Decision
from podferry.api.reasons import Condition
from podferry.controller.core.actions import OrderAgent
from podferry.controller.core.advance import advance
from podferry.controller.core.fencing import OUT_OF_SERVICE
from podferry.controller.core.status import condition
from podferry.controller.core.view import NodeView, Step, View
from podferry.wire.stages import Role
from tests.property.world import World


def paging(kind: str = "ReplicaSet") -> World:
    """A PostCopy whose source forwards and whose pages are still on their way."""
    world = World(kind)
    world.status = replace(world.status, copy="PostCopy")
    for _ in range(100):
        resumed = condition(world.status, Condition.RESUMED)
        if resumed is not None and world.stages[Role.SOURCE] == "Redirected":
            return world
        world.reconcile()
    raise AssertionError("the source was never redirected")


def rebooted(world: World) -> View:
    """Its target's node was rebooted: no daemon, no container of the resume."""
    view = world.view()
    assert view.target is not None
    facts = {**view.target.facts, "pagesLost": True, "mayHaveRun": True, "alive": False}
    return replace(view, target=replace(view.target, facts=facts))


def orders(step: Step) -> list[str]:
    return [item.order.stage for item in step.actions if isinstance(item, OrderAgent)]


def params(step: Step, stage: str) -> dict[str, Any]:
    found = [item.order for item in step.actions if isinstance(item, OrderAgent)]
    return next(order.params for order in found if order.stage == stage)


@pytest.mark.parametrize(
    ("kind", "ways"),
    [
        ("ReplicaSet", ("podferry cancel", "kubectl delete pod app")),
        ("StatefulSet", ("podferry cancel",)),
    ],
)
def test_it_is_named_with_the_ways_out_and_nothing_is_ended(
    kind: str, ways: tuple[str, ...]
) -> None:
    step = advance(rebooted(paging(kind)))
    found = condition(step.status, Condition.PAGING)
    assert found is not None
    assert (found.status, found.reason) == ("True", "EndedWhilePaging")
    assert all(way in found.message for way in ways)
    assert step.status.decision is Decision.COMMITTED
    assert orders(step) == ["Resumed"]


def test_a_cancel_makes_the_target_unresumable_before_anything_thaws() -> None:
    world = paging()
    world.cancel = True
    step = advance(rebooted(world))
    assert step.status.decision is Decision.REVERTED
    assert orders(step) == ["Disarmed"]


def test_nothing_goes_back_beside_a_pod_that_the_owner_made_meanwhile() -> None:
    world = paging("Job")
    world.cancel = True
    view = rebooted(world)
    mine = next(pod for pod in view.pods.values() if pod["metadata"].get("ownerReferences"))
    other = {**mine, "metadata": {**mine["metadata"], "name": "next", "uid": "next"}}
    found = {name: pod for name, pod in view.pods.items() if pod is not mine}
    owner = {"metadata": {"uid": "o"}, "spec": {"parallelism": 1}}
    step = advance(replace(view, pods={**found, "next": other}, owner=owner))
    assert step.status.decision is Decision.COMMITTED
    paged = condition(step.status, Condition.PAGING)
    assert paged is not None
    assert "has made another pod" in paged.message


def test_a_source_whose_pod_a_person_deletes_is_given_up() -> None:
    view = rebooted(paging())
    pods = {name: pod for name, pod in view.pods.items() if name != "app"}
    step = advance(replace(view, pods=pods))
    assert orders(step) == ["Released"]
    assert params(step, "Released")["pagesDone"] is True


def test_a_kept_name_is_given_up_by_a_cancel() -> None:
    world = paging("StatefulSet")
    world.cancel = True
    step = advance(rebooted(world))
    assert step.status.decision is Decision.COMMITTED
    assert orders(step) == ["Released"]


def test_a_move_that_was_given_up_ends_as_started_anew_and_waits_for_no_page() -> None:
    view = rebooted(paging())
    assert view.source is not None
    released = replace(view.source, stage="Released", wanted="Released")
    step = advance(replace(view, source=released, pods={}))
    after = replace(view.migration, status=step.status)
    ends = advance(replace(view, migration=after, source=released, pods={}))
    assert params(ends, "Forgotten")["pagesGivenUp"] is True
    assert view.target is not None
    gone = replace(view.target, stage="Forgotten", wanted="Forgotten")
    last = advance(replace(view, migration=after, source=released, target=gone, pods={}))
    assert last.status.phase == "ColdRestarted"


def silent(world: World, *taints: dict[str, str]) -> View:
    node = NodeView("node-b", "10.0.0.2", False, False, taints, {}, 0, 0, None)
    return replace(world.view(), nodes={"node-b": node}, target_age_seconds=20.0)


def test_a_silent_target_is_named_and_a_cancel_alone_goes_nowhere() -> None:
    world = paging()
    world.cancel = True
    step = advance(silent(world))
    found = condition(step.status, Condition.PAGING)
    assert found is not None
    assert (found.reason, step.status.decision) == ("AgentUnreachable", Decision.COMMITTED)


def test_a_target_that_is_off_for_good_is_left_after_a_cancel() -> None:
    world = paging()
    world.cancel = True
    step = advance(silent(world, {"key": OUT_OF_SERVICE, "effect": "NoExecute"}))
    assert step.status.decision is Decision.REVERTED
    assert step.decides
