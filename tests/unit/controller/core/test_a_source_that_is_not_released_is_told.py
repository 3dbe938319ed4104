"""The workload runs on the target; the memory of its source is held by an agent that is silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from podferry.api.reasons import Condition
from podferry.controller.core import late_release
from podferry.controller.core.advance import advance
from podferry.controller.core.fencing import OUT_OF_SERVICE
from podferry.controller.core.status import condition, is_true
from podferry.controller.core.view import View
from podferry.wire.stages import Role
from tests.property.world import World


def running(kind: str = "ReplicaSet") -> View:
    """Just resumed."""
    world = World(kind)
    while not is_true(world.status, Condition.RESUMED):
        world.reconcile()
    assert world.stages[Role.SOURCE] != "Released"
    return world.view()


def later(view: View, age: float) -> View:
    """Long after, with an answer of the source's agent of that age."""
    now = view.now + timedelta(seconds=late_release.LATE_SECONDS + 1)
    return replace(view, now=now, source_age_seconds=age)


@pytest.mark.parametrize(("age", "told"), [(60.0, True), (float("inf"), True), (0.1, False)])
def test_only_a_silent_agent_is_told(age: float, told: bool) -> None:
    found = condition(advance(later(running(), age)).status, Condition.SOURCE_RELEASED)
    assert (found is not None and found.reason == "SourceNotReleased") is told


def test_an_agent_that_was_just_asked_is_given_time() -> None:
    view = replace(running(), source_age_seconds=60.0)
    assert condition(advance(view).status, Condition.SOURCE_RELEASED) is None


@pytest.mark.parametrize("how", ["fenced", "deleted"])
def test_a_node_that_is_gone_for_good_is_not_waited_for(how: str) -> None:
    view = later(running(), 60.0)
    node = replace(view.nodes["node-a"], taints=({"key": OUT_OF_SERVICE},))
    nodes = {"node-a": node} if how == "fenced" else {}
    assert is_true(advance(replace(view, nodes=nodes)).status, Condition.SOURCE_RELEASED)
