"""A node where criu gets no userfaultfd is no end of a PostCopy, and says what to do about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podferry.api.migration import (
    CopyMode,
    MigrationSpec,
    MigrationStatus,
    WorkloadKind,
    WorkloadRef,
)
from podferry.api.reasons import Reason
from podferry.controller.core.advance import advance
from podferry.controller.core.view import View
from podferry.strategies.container import preflight
from podferry.strategies.container.copy_mode import choose_copy
from tests.property.world import World
from tests.unit.strategies.container.samples import GIB, NOW, facts, node, pod

WITHOUT = facts(userfaultfd=False)
UNTOLD = {key: value for key, value in facts().items() if key != "userfaultfd"}


@pytest.mark.parametrize("told", [WITHOUT, UNTOLD], ids=["it has none", "its agent does not say"])
def test_both_ends_are_checked_and_each_is_named(told: dict[str, Any]) -> None:
    source, target = node("node-a", facts=told), node("node-b", facts=told)
    ends = [
        (preflight.check_source(source, post_copy=True), "source node node-a"),
        (preflight.check_target(pod(), node("node-a"), target, post_copy=True), "node node-b"),
    ]
    for (finding,), name in ends:
        assert finding.reason is Reason.NODE_NOT_CAPABLE
        for word in (name, "criu check --feature uffd-noncoop", "CONFIG_USERFAULTFD", "StopAndC"):
            assert word in finding.message
    assert len(preflight.check_post_copy(source, target)) == 2


def test_other_copies_do_not_need_it() -> None:
    source, target = node("node-a", facts=WITHOUT), node("node-b", facts=WITHOUT)
    assert preflight.check_source(source) == []
    assert preflight.check_target(pod(), source, target) == []


def test_a_node_that_has_it_is_chosen_before_an_emptier_one() -> None:
    source = node("node-a")
    others = [node("node-b", requested_bytes=0, facts=WITHOUT), node("node-c")]
    chosen, _ = preflight.choose_target(
        pod=pod(),
        source=source,
        nodes={one.name: one for one in (source, *others)},
        selector=None,
        post_copy=True,
    )
    assert chosen is others[1]


def test_auto_keeps_to_stop_and_copy_and_says_why() -> None:
    mode, why = choose_copy(
        copy=CopyMode.AUTO,
        max_freeze_seconds=4.0,
        resident_bytes=GIB,
        history=(),
        now=NOW,
        post_copy_refused="criu gets no userfaultfd on node-b",
    )
    assert mode is CopyMode.STOP_AND_COPY
    assert why.endswith("but criu gets no userfaultfd on node-b")


@pytest.mark.parametrize("lacking", ["node-a", "node-z"])
def test_a_request_for_it_is_refused_before_anything_is_touched(lacking: str) -> None:
    step = advance(_view(CopyMode.POST_COPY, lacking))
    assert step.status.phase == "Failed"
    assert step.status.conditions[0].reason == Reason.NODE_NOT_CAPABLE
    assert f"node {lacking}" in step.status.conditions[0].message
    assert [type(action).__name__ for action in step.actions] == ["RecordEvent"]


@pytest.mark.parametrize("copy", [CopyMode.AUTO, CopyMode.STOP_AND_COPY])
def test_a_request_for_another_copy_goes_on(copy: CopyMode) -> None:
    assert advance(_view(copy, "node-z")).status.phase == "Pending"


@pytest.mark.parametrize(
    ("copy", "reason"),
    [
        (CopyMode.POST_COPY, Reason.NODE_NOT_CAPABLE),
        (CopyMode.AUTO, Reason.FREEZE_OVER_BUDGET),
    ],
)
def test_a_node_that_lost_it_since_is_noticed_before_the_acceptance(
    copy: CopyMode, reason: Reason
) -> None:
    view = _view(copy, "")
    begun = replace(view, migration=replace(view.migration, status=advance(view).status))
    assert begun.migration.status.source is not None
    nodes = {**view.nodes, "node-z": node("node-z", facts=WITHOUT)}
    probe = {"ok": True, "blockers": [], "residentBytes": GIB}
    status = advance(replace(begun, nodes=nodes, probe=probe)).status
    refusal = next(item for item in status.conditions if item.type == "Accepted")
    assert refusal.reason == reason
    assert "userfaultfd" in refusal.message


def _view(copy: CopyMode, lacking: str) -> View:
    """A request to move a ReplicaSet's pod to node-z; node `lacking` has no userfaultfd."""
    base, source = World("ReplicaSet").view(), pod()
    source["metadata"]["ownerReferences"][0]["uid"] = "o"
    spec = MigrationSpec(
        WorkloadRef(WorkloadKind.POD, source["metadata"]["name"]),
        target_node="node-z",
        copy=copy,
        max_freeze_seconds=4.0,
    )
    nodes = {
        name: node(name, facts=WITHOUT if name == lacking else facts())
        for name in ("node-a", "node-z")
    }
    migration = replace(base.migration, spec=spec, status=MigrationStatus())
    return replace(
        base, migration=migration, nodes=nodes, pods={source["metadata"]["name"]: source}
    )
