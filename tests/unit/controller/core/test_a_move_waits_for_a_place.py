"""A request beyond the limit of a node touches nothing, says what it waits for, then starts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from podferry.api.migration import (
    Endpoint,
    Migration,
    MigrationSpec,
    MigrationStatus,
    Queued,
    WorkloadKind,
    WorkloadRef,
)
from podferry.api.reasons import Condition
from podferry.controller.core import places
from podferry.controller.core.actions import ProbeSource
from podferry.controller.core.advance import advance
from podferry.controller.core.status import condition
from podferry.controller.core.view import Limits, View
from tests.property.world import World
from tests.unit.strategies.container.samples import node, pod


def view(*active: Migration, targets: tuple[str, ...] = ("node-b",)) -> View:
    """A request for a pod on node-a beside other Migrations."""
    source = pod()
    source["metadata"].update(uid="u-mine", ownerReferences=[])
    source["spec"]["nodeName"] = "node-a"
    name = source["metadata"]["name"]
    base = World("Pod").view()
    spec = MigrationSpec(WorkloadRef(WorkloadKind.POD, name))
    mine = replace(base.migration, spec=spec, status=MigrationStatus())
    nodes = {one: node(one) for one in ("node-a", *targets)}
    return replace(base, migration=mine, pods={name: source}, nodes=nodes, owner=None,
                   active=active, limits=Limits(2, 2))  # fmt: skip


def moving(name: str, source: str, target: str) -> Migration:
    """Another Migration, of another namespace, under way."""
    ends = {"source": Endpoint(source, uid=name), "target": Endpoint(target)}
    status = MigrationStatus(phase="Freezing", **ends)  # type: ignore[arg-type]
    base = World("Pod").view().migration
    return replace(base, namespace="else", name=name, uid=name, status=status)


def test_the_third_off_a_node_says_whom_it_waits_for_and_touches_nothing() -> None:
    asked = view(moving("one", "node-a", "node-c"), moving("two", "node-a", "node-d"))
    step = advance(asked)
    assert step.actions == ()
    assert step.status.source is None
    assert step.status.queued == Queued("node-a", "node-b", 1)
    said = condition(step.status, Condition.PROGRESSING)
    assert said is not None
    assert (said.status, said.reason) == ("True", "Queued")
    for word in ("position 1", "off node node-a", "at most 2", "else/one", "else/two",
                 "--moves-out-per-node", "podferry cancel"):  # fmt: skip
        assert word in said.message
    assert step.requeue_after_seconds == places.HEAD_SECONDS


@pytest.mark.parametrize("two", ["node-b", "node-a"])
def test_a_place_off_another_node_is_nobodys_here(two: str) -> None:
    asked = view(moving("one", "node-a", "node-c"), moving("two", "node-c", two))
    step = advance(asked)
    assert step.status.queued is None
    assert any(isinstance(action, ProbeSource) for action in step.actions)


def test_it_starts_when_it_is_its_turn_and_waits_no_more() -> None:
    asked = view(moving("one", "node-a", "node-c"))
    waiting = replace(asked.migration, status=MigrationStatus(queued=Queued("node-a", "node-b", 1)))
    step = advance(replace(asked, migration=waiting))
    assert step.status.queued is None
    assert step.status.source is not None


def test_a_node_that_is_full_is_left_for_one_that_is_not() -> None:
    both = [moving(name, f"from-{name}", "node-b") for name in ("one", "two")]
    assert advance(view(*both)).status.queued is not None
    step = advance(view(*both, targets=("node-b", "node-c")))
    assert step.status.target is not None
    assert step.status.target.node == "node-c"


def test_one_that_waits_can_be_cancelled() -> None:
    asked = view()
    spec = replace(asked.migration.spec, cancel=True)
    mine = replace(asked.migration, spec=spec,
                   status=MigrationStatus(queued=Queued("node-a", "node-b", 1)))  # fmt: skip
    assert advance(replace(asked, migration=mine)).status.phase == "Cancelled"


def test_what_was_decided_a_moment_ago_counts_though_the_store_does_not_show_it() -> None:
    started = moving("one", "node-a", "node-b")
    stored = replace(started, status=MigrationStatus())
    assert list(places.overlay([stored], {"one": started})) == [started]
    assert list(places.overlay([started], {"one": stored})) == [started]
