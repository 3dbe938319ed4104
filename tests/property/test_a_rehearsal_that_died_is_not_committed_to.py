"""The commit gives the workload to its rehearsal; one without tasks would never resume."""

from __future__ import annotations

import pytest

from podferry.api.migration import Decision

from .world import World


@pytest.mark.parametrize("kind", ["ReplicaSet", "Job", "StatefulSet", "Pod"])
def test_the_move_rolls_back_and_the_source_runs(kind: str) -> None:
    world = World(kind)
    for _ in range(400):
        if world.target is not None and world.status.decision is Decision.UNDECIDED:
            world.target.alive = False
        if world.reconcile():
            break
    assert world.status.phase == "RolledBack"
    assert world.status.decision_reason == "TargetLost"
    assert world.source.runs
    assert not world.violations
