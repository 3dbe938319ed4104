"""One Migration from accepted to its end, with the controller killed at every single point."""

from __future__ import annotations

import pytest

from podferry.api.migration import Decision

from .world import Crash, World

KINDS = ("ReplicaSet", "Job", "StatefulSet", "Pod")
FIRST = pytest.mark.parametrize("first", [False, True], ids=["as ever", "frozen first"])
LIMIT = 400


def run(world: World) -> World:
    """Reconcile until the end; a crash is a new life of the controller with nothing in memory."""
    for _ in range(LIMIT):
        try:
            if world.reconcile():
                return world
        except Crash:
            world.ask_agents()  # what they had said was in the dead controller's memory
    raise AssertionError(f"no end after {LIMIT} reconciles: {world.status}")


def points(kind: str, **arguments: object) -> int:
    """How many writes and actions an undisturbed run has."""
    return run(World(kind, **arguments)).tick  # type: ignore[arg-type]


def check(world: World) -> None:
    assert not world.violations
    if world.status.decision is Decision.COMMITTED:
        assert world.status.phase == "Succeeded"
        assert world.target is not None
        assert world.target.runs
        assert not world.source.alive
    else:
        assert world.status.phase in ("RolledBack", "Cancelled")
        assert world.source.runs
        assert world.target is None
        assert set(world.pods) == {"app"}
        assert world.pods["app"]["metadata"]["labels"]["controller-uid"] == "o"


@FIRST
@pytest.mark.parametrize("kind", KINDS)
def test_an_undisturbed_move_ends_on_the_target(kind: str, first: bool) -> None:
    world = run(World(kind, freeze_first=first))
    check(world)
    assert world.status.decision is Decision.COMMITTED


@FIRST
@pytest.mark.parametrize("kind", KINDS)
def test_a_controller_killed_at_any_point_loses_nothing(kind: str, first: bool) -> None:
    for point in range(1, points(kind, freeze_first=first) + 1):
        check(run(World(kind, crash_at=point, freeze_first=first)))


@pytest.mark.parametrize("stage", ["Prepared", "Frozen", "Rehearsed", "Sealed"])
@FIRST
@pytest.mark.parametrize("kind", KINDS)
def test_a_failing_stage_rolls_back_whenever_the_controller_dies(
    kind: str, stage: str, first: bool
) -> None:
    for point in range(points(kind, fail_at=stage, freeze_first=first) + 1):
        world = run(World(kind, fail_at=stage, crash_at=point, freeze_first=first))
        check(world)
        assert world.status.phase == "RolledBack"
        assert "injected failure" in world.status.decision_message


@FIRST
@pytest.mark.parametrize("kind", KINDS)
def test_a_cancel_at_any_point_either_comes_too_late_or_leaves_the_source_running(
    kind: str, first: bool
) -> None:
    ends = set()
    for moment in range(points(kind, freeze_first=first)):
        world = World(kind, freeze_first=first)
        for _ in range(LIMIT):
            world.cancel = world.cancel or world.tick >= moment
            if world.reconcile():
                break
        check(world)
        ends.add(world.status.phase)
    assert ends == {"Succeeded", "Cancelled"}
