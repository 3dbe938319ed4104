"""Steps that must not be taken yet: each of these would be a silent loss if it were."""

from __future__ import annotations

from dataclasses import replace

import pytest

from podferry.api.migration import Decision
from podferry.api.reasons import Condition
from podferry.controller.core.actions import DeletePod, OrderAgent, ReattachSource
from podferry.controller.core.advance import advance
from podferry.controller.core.status import is_true
from podferry.controller.core.undecided import FRESH_SECONDS
from podferry.wire.stages import Role, TargetStage
from tests.property.world import World


def _until(world: World, role: Role, stage: str) -> None:
    for _ in range(100):
        if world.stages[role] == stage:
            return
        world.reconcile()
    raise AssertionError(f"{role} never reached {stage}")


@pytest.mark.parametrize("stale", ["source_age_seconds", "target_age_seconds"])
def test_a_commit_needs_fresh_answers_of_both_sides(stale: str) -> None:
    world = World("ReplicaSet")
    _until(world, Role.SOURCE, "Sealed")
    view = world.view()
    assert advance(view).status.decision is Decision.COMMITTED
    old = replace(view, **{stale: FRESH_SECONDS + 0.1})
    assert advance(old).status.decision is Decision.UNDECIDED


def test_post_copy_is_not_over_before_the_target_has_every_page() -> None:
    world = World("ReplicaSet")
    world.status = replace(world.status, copy="PostCopy")
    _until(world, Role.TARGET, "Resumed")
    world.reconcile()
    view = world.view()
    assert view.source is not None
    assert view.target is not None
    released = replace(view.source, stage="Released")
    waiting = advance(replace(view, source=released))
    forget = TargetStage.FORGOTTEN.value
    assert not is_true(waiting.status, Condition.SOURCE_RELEASED)
    assert not any(
        isinstance(item, OrderAgent) and item.order.stage == forget for item in waiting.actions
    )
    done = replace(view.target, facts={**view.target.facts, "pagesDone": True})
    assert is_true(
        advance(replace(view, source=released, target=done)).status, Condition.SOURCE_RELEASED
    )


@pytest.mark.parametrize("kind", ["ReplicaSet", "Job"])
def test_the_target_pod_goes_only_after_the_owner_adopted_the_source(kind: str) -> None:
    world = World(kind, fail_at="Rehearsed")
    for _ in range(100):
        step = advance(world.view())
        if any(isinstance(item, ReattachSource) for item in step.actions):
            assert not any(isinstance(item, DeletePod) for item in step.actions)
            assert "app-2" in world.pods
            return
        world.reconcile()
    raise AssertionError("the labels were never given back")


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        (None, "was deleted"),
        ({"metadata": {"uid": "o"}, "spec": {"replicas": 0}}, "scaled to 0"),
        ({"metadata": {"uid": "o", "deletionTimestamp": "x"}, "spec": {}}, "being deleted"),
    ],
)
def test_an_owner_that_gives_up_before_the_decision_turns_the_move_back(
    owner: dict[str, object] | None, words: str
) -> None:
    world = World("ReplicaSet")
    _until(world, Role.SOURCE, "Sealed")
    status = advance(replace(world.view(), owner=owner)).status
    assert status.decision is Decision.ROLLED_BACK
    assert words in status.decision_message


def test_a_target_that_is_claimed_but_never_held_is_given_up_with_the_reason() -> None:
    world = World("ReplicaSet")
    for _ in range(100):
        if world.status.claim is not None:
            break
        world.reconcile()
    pod = world.pods["app-2"]
    why = {"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}
    pod["status"] = {"phase": "Pending", "conditions": [why]}
    view = world.view()
    late = replace(view, now=view.now.replace(minute=view.now.minute + 2))
    status = advance(late).status
    assert status.decision_reason == "TargetUnschedulable"
    assert "0/2 nodes are available" in status.decision_message
