"""Deleting a Migration before the decision is a cancel; the object goes when all is undone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from podferry.controller.core.actions import RemoveFinalizer
from podferry.controller.core.advance import advance
from podferry.controller.core.view import View
from tests.property.world import World


class Deleted(World):
    """Its Migration has a deletionTimestamp from some moment on."""

    moment = 0

    def view(self) -> View:
        found = super().view()
        asked = self.tick >= self.moment
        return replace(found, migration=replace(found.migration, deletion_requested=asked))


@pytest.mark.parametrize("kind", ["ReplicaSet", "Job", "StatefulSet", "Pod"])
def test_at_every_point_it_ends_undone_or_was_decided_already(kind: str) -> None:
    ends = set()
    for moment in range(14):
        world = Deleted(kind)
        world.moment = moment
        for _ in range(400):
            if world.reconcile():
                break
        assert not world.violations
        assert world.finalizer is False
        copies = (world.source.runs, world.target is not None and world.target.runs)
        assert copies == ((True, False) if world.status.phase == "Cancelled" else (False, True))
        ends.add(world.status.phase)
    assert "Cancelled" in ends


def test_its_finalizer_goes_only_after_the_end() -> None:
    world = Deleted("ReplicaSet")
    while world.status.phase != "Cancelled":
        assert RemoveFinalizer() not in advance(world.view()).actions
        world.reconcile()
    assert advance(world.view()).actions == (RemoveFinalizer(),)
