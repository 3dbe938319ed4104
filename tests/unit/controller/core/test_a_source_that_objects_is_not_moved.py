"""Excluded, joined by a debug container or resized: such a source turns a move back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podferry.api.migration import Decision, MigrationStatus
from podferry.controller.core.advance import advance
from podferry.controller.core.view import View
from podferry.wire import names
from tests.property.world import UID, World

EXCLUDED = {"metadata": {"name": "ns", "labels": {names.EXCLUDE: "true"}}}


def turned_back(view: View) -> tuple[str, str] | None:
    """Reason and message of the decision, None if nothing was decided."""
    status = advance(view).status
    if status.decision is Decision.UNDECIDED:
        return None
    assert status.decision is Decision.ROLLED_BACK
    return status.decision_reason, status.decision_message


def requested(world: World) -> View:
    """The first look at a Migration."""
    view = world.view()
    return replace(view, migration=replace(view.migration, status=MigrationStatus()))


def test_an_excluded_namespace_is_refused_at_the_request_with_the_way_out() -> None:
    step = advance(replace(requested(World("Pod")), namespace=EXCLUDED))
    (accepted,) = [item for item in step.status.conditions if item.type == "Accepted"]
    assert (step.status.phase, accepted.status, accepted.reason) == ("Failed", "False", "Excluded")
    assert "kubectl label namespace ns podferry.dev/exclude-" in accepted.message


NO_REASON: list[dict[str, Any] | None] = [
    None,
    {"metadata": {"name": "ns"}},
    {"metadata": {"labels": {names.EXCLUDE: "false"}}},
]


@pytest.mark.parametrize("namespace", NO_REASON)
def test_any_other_namespace_is_no_reason(namespace: dict[str, Any] | None) -> None:
    assert turned_back(replace(World("Pod").view(), namespace=namespace)) is None


def test_a_namespace_excluded_after_the_request_turns_the_move_back_before_the_freeze() -> None:
    found = turned_back(replace(World("ReplicaSet").view(), namespace=EXCLUDED))
    assert found is not None
    assert found[0] == "Excluded"


def test_a_pod_excluded_after_the_request_turns_the_move_back_before_the_freeze() -> None:
    world = World("ReplicaSet")
    world.pods["app"]["metadata"]["annotations"][names.EXCLUDE] = "true"
    found = turned_back(world.view())
    assert found is not None
    assert found[0] == "Excluded"
    assert "annotate pod app podferry.dev/exclude-" in found[1]


def test_a_frozen_source_is_not_turned_back_for_that() -> None:
    world = World("ReplicaSet")
    world.pods["app"]["metadata"]["annotations"][names.EXCLUDE] = "true"
    world.status = replace(world.status, freeze_epoch=1)
    world.ask_agents()
    assert turned_back(world.view()) is None


def test_a_debug_container_that_joined_turns_the_move_back() -> None:
    world = World("ReplicaSet")
    world.pods["app"]["spec"]["ephemeralContainers"] = [{"name": "debugger"}]
    found = turned_back(world.view())
    assert found is not None
    assert found[0] == "SourceChanged"
    assert "debugger" in found[1]


@pytest.mark.parametrize(("kind", "turned"), [("Pod", True), ("ReplicaSet", False)])
def test_a_resize_turns_back_only_what_is_made_again_from_its_rehearsal(
    kind: str, turned: bool
) -> None:
    world = World(kind)
    world.pods["app"]["spec"]["containers"] = [{"name": "c", "resources": {"limits": {"cpu": "2"}}}]
    notes = {names.ANNOTATION_RESTORE: f"{UID}.1", names.ANNOTATION_RESTORE_ROLE: "rehearsal"}
    proof = world._pod("proof", "u-proof", "node-b")
    proof["metadata"]["annotations"] = notes
    proof["spec"]["containers"] = [{"name": "c", "resources": {"limits": {"cpu": "1"}}}]
    world.pods["proof"] = proof
    found = turned_back(world.view())
    assert (found is not None and found[0] == "SourceChanged") is turned
