"""The rehearsal is the last copy then: nothing may turn back, for turning back destroys it."""

from __future__ import annotations

import pytest

from .test_the_core_survives_a_crash_after_every_write_and_action import KINDS, points, run
from .world import World


@pytest.mark.parametrize("cancel", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_workload_goes_on_from_its_rehearsal(kind: str, cancel: bool) -> None:
    for point in (-1, *range(1, points(kind) + 1)):
        world = World(kind, dies_after_rehearsal=True, crash_at=point)
        original = world._maybe_die

        def die_and_cancel(world: World = world, original: object = original) -> None:
            before = world.died
            original()  # type: ignore[operator]
            world.cancel = world.cancel or (cancel and world.died and not before)

        world._maybe_die = die_and_cancel  # type: ignore[method-assign]
        run(world)
        assert not world.violations
        assert world.status.phase == "Succeeded"
        assert world.target is not None
        assert world.target.runs
