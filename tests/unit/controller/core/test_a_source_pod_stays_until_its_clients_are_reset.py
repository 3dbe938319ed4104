"""Forwarded connections are reset through the source's pod: it is not deleted before that."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from podferry.api.reasons import Condition
from podferry.controller.core import handover
from podferry.controller.core.actions import DeletePod, OrderAgent
from podferry.controller.core.advance import advance
from podferry.controller.core.status import is_true
from podferry.controller.core.view import View
from podferry.wire.stages import Progress, TargetStage
from tests.property.world import World

DELETION = DeletePod("ns", "app", "u-source", 0)


def _released() -> View:
    """The source released, its routes gone, its pod still there."""
    world = World("ReplicaSet")
    for _ in range(100):
        if is_true(world.status, Condition.SOURCE_RELEASED):
            view = world.view()
            return replace(view, now=view.now + timedelta(seconds=handover.ROUTES_SECONDS))
        world.reconcile()
    raise AssertionError("the source was never released")


@pytest.mark.parametrize("progress", [Progress.WORKING, Progress.FAILED])
def test_a_target_that_has_not_reset_them_yet_is_asked_again(progress: Progress) -> None:
    view = _released()
    assert view.target is not None
    target = replace(view.target, wanted=TargetStage.FORGOTTEN.value, progress=progress)
    actions = advance(replace(view, target=target)).actions
    assert [one.order.stage for one in actions if isinstance(one, OrderAgent)] == ["Forgotten"]
    assert DELETION not in actions


def test_one_that_has_reset_them_needs_the_pod_no_more() -> None:
    view = _released()
    assert view.target is not None
    forgotten = TargetStage.FORGOTTEN.value
    target = replace(view.target, stage=forgotten, wanted=forgotten, progress=Progress.REACHED)
    assert advance(replace(view, target=target)).actions == (DELETION,)


def test_a_target_that_never_answers_does_not_keep_the_pod() -> None:
    view = _released()
    late = replace(view, now=view.now + timedelta(seconds=handover.LATE_SECONDS))
    assert advance(late).actions[0] == DELETION
