"""PostCopy whose pages stop to come: before the resume it is free, after it a person decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from podferry.api.migration import Decision
from podferry.api.reasons import Condition
from podferry.controller.core.actions import DeletePod, OrderAgent
from podferry.controller.core.advance import advance
from podferry.controller.core.status import condition
from podferry.controller.core.view import Step, View
from podferry.wire.stages import Role
from tests.property.world import World


def world_at(stage: str, kind: str = "ReplicaSet") -> World:
    """A PostCopy whose target just reached `stage`."""
    world = World(kind)
    world.status = replace(world.status, copy="PostCopy")
    for _ in range(100):
        if world.stages[Role.TARGET] == stage:
            return world
        world.reconcile()
    raise AssertionError(f"the target never reached {stage}")


def without_pages(world: World, *, ran: bool) -> View:
    view = world.view()
    assert view.target is not None
    facts = {**view.target.facts, "pagesLost": True, "mayHaveRun": ran, "alive": True}
    return replace(view, target=replace(view.target, facts=facts))


def orders(step: Step) -> list[str]:
    return [item.order.stage for item in step.actions if isinstance(item, OrderAgent)]


def test_before_the_decision_it_rolls_back() -> None:
    step = advance(without_pages(world_at("Rehearsed"), ran=False))
    assert step.status.decision is Decision.ROLLED_BACK
    assert step.status.decision_reason == "PagesLost"


def test_between_decision_and_resume_the_target_is_made_unresumable_first() -> None:
    world = world_at("Rehearsed")
    while world.status.decision is not Decision.COMMITTED:
        world.reconcile()
    world.stages[Role.TARGET] = "Rehearsed"
    view = without_pages(world, ran=False)
    assert view.target is not None
    held = replace(view, target=replace(view.target, stage="Rehearsed"))
    assert view.source is not None
    frozen = replace(view.source, facts={**view.source.facts, "alive": True, "frozen": True})
    step = advance(replace(held, source=frozen))
    assert step.status.decision is Decision.COMMITTED
    assert orders(step) == ["Disarmed"]


def lost_after_resume(kind: str = "ReplicaSet") -> World:
    world = world_at("Resumed", kind)
    while condition(world.status, Condition.RESUMED) is None:
        world.reconcile()
    return world


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet"])
def test_after_the_resume_the_condition_names_it_and_both_copies_stay(kind: str) -> None:
    step = advance(without_pages(lost_after_resume(kind), ran=True))
    found = condition(step.status, Condition.PAGING)
    assert found is not None
    assert (found.status, found.reason) == ("True", "PagesLost")
    assert step.status.phase == "Paging"
    assert step.status.decision is Decision.COMMITTED
    assert not any(isinstance(item, DeletePod) for item in step.actions)
    assert not {"Released", "Thawed", "Disarmed"} & set(orders(step))


def test_a_cancel_then_goes_back_to_the_source() -> None:
    world = lost_after_resume()
    world.cancel = True
    step = advance(without_pages(world, ran=True))
    assert step.status.decision is Decision.REVERTED
    assert step.status.decision_reason == "PagesLost"
    assert step.decides
    assert orders(step) == ["Disarmed"]


def test_a_cancel_of_a_pod_that_kept_its_name_changes_nothing() -> None:
    world = lost_after_resume("StatefulSet")
    world.cancel = True
    assert advance(without_pages(world, ran=True)).status.decision is Decision.COMMITTED


@pytest.mark.parametrize("done", [True, False])
def test_the_source_is_released_on_the_targets_word_that_it_has_every_page(done: bool) -> None:
    world = lost_after_resume()
    for _ in range(100):
        if world.stages[Role.SOURCE] == "Redirected":
            break
        world.reconcile()
    view = world.view()
    assert view.target is not None
    facts = {**view.target.facts, "pagesDone": done}
    step = advance(replace(view, target=replace(view.target, facts=facts), pods={}))
    release = [item.order for item in step.actions if isinstance(item, OrderAgent)]
    assert [order.stage for order in release] == (["Released"] if done else ["Resumed"])
    assert release[0].params.get("pagesDone") is (True if done else None)
