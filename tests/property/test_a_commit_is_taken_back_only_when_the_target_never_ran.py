"""The one second decision: a target that ended before its resume gives the source its life back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from podferry.api.migration import Decision
from podferry.controller.core import fencing, revert
from podferry.controller.core.view import NodeView
from podferry.wire.stages import Role

from .test_the_core_survives_a_crash_after_every_write_and_action import check, points, run
from .world import World

KINDS = ("ReplicaSet", "Job")


@pytest.mark.parametrize("kind", KINDS)
def test_the_source_runs_again_whenever_the_controller_dies(kind: str) -> None:
    for point in range(points(kind, target_ends_after_commit=True) + 1):
        world = run(World(kind, target_ends_after_commit=True, crash_at=point))
        check(world)
        assert world.status.decision is Decision.REVERTED
        assert world.status.phase == "RolledBack"
        assert world.status.decision_reason == "TargetNeverRan"


@pytest.mark.parametrize("kind", ["ReplicaSet", "Job", "StatefulSet", "Pod"])
def test_a_rehearsal_lives_until_the_source_was_thawed(kind: str) -> None:
    for point in range(points(kind, fail_at="Sealed", thaw_failures=3) + 1):
        check(run(World(kind, fail_at="Sealed", thaw_failures=3, crash_at=point)))


def committed(kind: str = "ReplicaSet") -> World:
    """A world right after the commit, its target just ended, both agents asked anew."""
    world = World(kind, target_ends_after_commit=True)
    while world.status.decision is not Decision.COMMITTED:
        world.reconcile()
    return world


def test_silence_of_the_target_reverts_nothing() -> None:
    view = committed().view()
    assert revert.step(replace(view, target_age_seconds=5.0)) is None
    assert revert.step(replace(view, target=None)) is None


def test_nothing_is_reverted_without_a_source_to_go_back_to() -> None:
    world = committed()
    world.source.alive = False
    assert revert.step(world.view()) is None


def test_a_target_that_may_have_run_is_not_reverted() -> None:
    view = committed().view()
    assert view.target is not None
    ran = replace(view.target, facts={**view.target.facts, "neverRan": False})
    assert revert.step(replace(view, target=ran)) is None


def test_a_node_that_was_fenced_needs_no_attestation() -> None:
    view = committed().view()
    taint = {"key": fencing.OUT_OF_SERVICE, "effect": "NoExecute"}
    node = NodeView("node-b", "10.0.0.2", False, False, (taint,), {}, 0, 0, None)
    step = revert.step(replace(view, nodes={"node-b": node}, target=None))
    assert step is not None
    assert step.status.decision is Decision.REVERTED
    assert "out-of-service" in step.status.decision_message


def test_the_attestation_is_asked_for_before_the_decision() -> None:
    world = committed()
    step = revert.step(world.view())
    assert step is not None
    assert step.status.decision is Decision.COMMITTED
    (order,) = step.actions
    assert order.order.role is Role.TARGET  # type: ignore[union-attr]
    assert order.order.stage == "Disarmed"  # type: ignore[union-attr]
