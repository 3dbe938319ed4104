"""The end of a pod that a Job owns counts; so the Job has its target only once that runs."""

from __future__ import annotations

from dataclasses import replace

from podferry.api.reasons import Condition
from podferry.controller.core import job_target
from podferry.controller.core.actions import (
    Action,
    DeletePod,
    DetachSource,
    OrderAgent,
    ReattachSource,
)
from podferry.controller.core.advance import advance
from podferry.controller.core.status import is_true
from podferry.controller.core.view import View
from tests.property.world import World


def first_actions(kind: str, condition: Condition) -> tuple[Action, ...]:
    """What is done in the step that sets this condition."""
    world = World(kind)
    for _ in range(200):
        step = advance(world.view())
        if is_true(step.status, condition):
            return step.actions
        world.reconcile()
    raise AssertionError(f"{condition} never became true")


def resumed(**owner: object) -> View:
    """A Job's move whose target runs and is not given back yet."""
    world = World("Job")
    while not is_true(advance(world.view()).status, Condition.RESUMED):
        world.reconcile()
    view = replace(world.view(), owner={"metadata": {"uid": "o"}, "spec": {}, **owner})
    return replace(view, migration=replace(view.migration, status=advance(view).status))


def test_the_labels_leave_the_target_before_anything_is_frozen() -> None:
    first, *rest = first_actions("Job", Condition.TARGET_READY)
    assert isinstance(first, DetachSource)
    assert first.pod == "app-2"
    assert next(item.order.stage for item in rest if isinstance(item, OrderAgent)) == "Frozen"


def test_the_target_of_another_owner_keeps_its_labels() -> None:
    found = first_actions("ReplicaSet", Condition.TARGET_READY)
    assert not any(isinstance(item, DetachSource) for item in found)


def test_the_job_gets_its_target_back_in_the_step_that_sees_it_run() -> None:
    found = first_actions("Job", Condition.RESUMED)
    assert [item.pod for item in found if isinstance(item, ReattachSource)] == ["app-2"]


def test_the_labels_are_asked_for_until_the_job_has_adopted_it() -> None:
    view = resumed()
    (asked,) = job_target.give_back(view, view.migration.status)
    assert isinstance(asked, ReattachSource)
    assert set(asked.labels) == set(job_target.LABELS)
    pod = view.pods["app-2"]
    metadata = {**pod["metadata"], "annotations": {}}
    metadata["ownerReferences"] = [{"kind": "Job", "uid": "o", "controller": True}]
    adopted = replace(view, pods={**view.pods, "app-2": {**pod, "metadata": metadata}})
    assert job_target.give_back(adopted, view.migration.status) == ()


def test_a_job_that_is_over_gets_nothing_back() -> None:
    over = {"conditions": [{"type": "Failed", "status": "True"}]}
    view = resumed(status=over)
    (action,) = job_target.give_back(view, view.migration.status)
    assert isinstance(action, DeletePod)
    assert action.pod == "app-2"


def test_a_pod_that_was_given_back_and_then_orphaned_is_left_alone() -> None:
    view = resumed()
    pod = view.pods["app-2"]
    metadata = {**pod["metadata"], "annotations": {}, "ownerReferences": []}
    orphaned = replace(view, owner=None, pods={"app-2": {**pod, "metadata": metadata}})
    assert job_target.give_back(orphaned, view.migration.status) == ()
