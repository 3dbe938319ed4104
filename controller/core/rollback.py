"""The way back: the target durably unresumable, the source awake, its owner in possession. Pure.

The order is the point (protocol items 8 and 13): the target may not be destroyed before it can no
longer run, the source's labels are given back only once it is alive and thawed, and the target's
pod is deleted only after the owner adopted the source, or it would make a third pod.
"""

from __future__ import annotations

from podferry.api.migration import Decision
from podferry.api.reasons import Condition, Phase, Reason
from podferry.controller.core import orders, owners, pods
from podferry.controller.core.actions import Action, DeletePod, ReattachSource, RecordEvent
from podferry.controller.core.status import Draft, seconds_since
from podferry.controller.core.view import Step, View
from podferry.wire.stages import Progress, SourceStage, TargetStage

LOST_TARGET_SECONDS = 10.0
"""A target whose agent is silent cannot resume without a verdict; the source need not wait."""
POLL_SECONDS = 0.2


def decide(view: View, reason: Reason | str, message: str) -> Step:
    """Write the decision; its orders run only after the compare-and-swap."""
    draft = Draft(view.migration, view.now)
    draft.decide(Decision.ROLLED_BACK, reason, message)
    draft.set(Condition.COMMITTED, False, reason, message)
    draft.progress(Phase.ROLLING_BACK, Reason.ROLLING_BACK, message)
    event = RecordEvent("Warning", Reason.ROLLING_BACK.value, message)
    order = orders.target(view, draft.value, TargetStage.ABORTED)
    return Step(draft.value, (event, order), 0.0, decides=True)


def advance(view: View) -> Step:
    """The next step of the way back."""
    status = view.migration.status
    if not _target_is_out(view):
        return Step(status, (orders.target(view, status, TargetStage.ABORTED),), POLL_SECONDS)
    if _source_pod(view) is not None and not _source_is_awake(view):
        return Step(status, (orders.source(view, status, SourceStage.THAWED),), POLL_SECONDS)
    left = _give_back(view) or _remove_target(view)
    if left:
        return Step(status, tuple(left), POLL_SECONDS)
    return _end(view)


def _target_is_out(view: View) -> bool:
    if view.target is not None and view.target.stage == TargetStage.ABORTED.value:
        return True
    silent = view.target_age_seconds > LOST_TARGET_SECONDS
    waited = seconds_since(view.migration.status.decided_at, view.now) > LOST_TARGET_SECONDS
    return silent and waited


def _source_is_awake(view: View) -> bool:
    observed = view.source
    return (
        observed is not None
        and observed.stage == SourceStage.THAWED.value
        and observed.progress is Progress.REACHED
        and observed.facts.get("frozen") is not True
    )


def _source_pod(view: View) -> dict[str, object] | None:
    """The source pod while it is the one that was accepted."""
    end = view.migration.status.source
    assert end is not None
    pod = view.pods.get(end.pod)
    return pod if pod is not None and pod["metadata"]["uid"] == end.uid else None


def _give_back(view: View) -> list[Action]:
    """Labels back, then wait for the adoption. Empty when the owner has its pod."""
    migration, status = view.migration, view.migration.status
    source, end = _source_pod(view), status.source
    if source is None or end is None or not status.source_detached or status.owner is None:
        return []
    metadata = source["metadata"]
    assert isinstance(metadata, dict)
    if owners.controller_of(source).get("uid") == status.owner.uid and not (
        pods.annotation(source, "podferry.dev/detached-labels")
    ):
        return []
    if view.owner is None or view.owner["metadata"]["uid"] != status.owner.uid:
        # Nobody will adopt it; what its user wanted for the owner goes for the pod as well.
        return [DeletePod(migration.namespace, end.pod, end.uid)]
    labels = dict(status.detached_labels or {})
    return [ReattachSource(migration.namespace, end.pod, end.uid, labels)]


def _remove_target(view: View) -> list[Action]:
    """Delete whatever pod this attempt made, by uid."""
    migration, status = view.migration, view.migration.status
    found: list[Action] = []
    for role in (pods.ROLE_REPLACEMENT, pods.ROLE_REHEARSAL):
        pod = pods.find(view.pods, migration.uid, status.attempt, role)
        if pod is not None:
            metadata = pod["metadata"]
            found.append(DeletePod(migration.namespace, metadata["name"], metadata["uid"], 0))
    return found


def _end(view: View) -> Step:
    status = view.migration.status
    cancelled = status.decision_reason == Reason.CANCELLED.value
    phase = Phase.CANCELLED if cancelled else Phase.ROLLED_BACK
    end = status.source
    where = end.node if end else "its node"
    dead = view.source is not None and view.source.facts.get("alive") is False
    gone = dead or _source_pod(view) is None
    fate = "ended by itself" if gone else "runs as before"
    message = f"{status.decision_message}; the workload on {where} {fate}"
    draft = Draft(view.migration, view.now)
    draft.end(phase, status.decision_reason, message)
    event = RecordEvent(
        "Warning", phase.value, message, end.pod if end else "", end.uid if end else ""
    )
    return Step(draft.value, (event,), 0.0)
