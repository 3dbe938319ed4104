"""The way back: the target durably unresumable, the source awake, its owner in possession. Pure.

The order is the point (protocol items 8 and 13). The source thaws only when the target can no
longer run; the target's memory is destroyed only when the source is alive and thawed; the source's
labels are given back only then too; and the target's pod is deleted only after the owner adopted
the source, or it would make a third pod.
"""

from __future__ import annotations

from podferry.api.migration import Decision
from podferry.api.reasons import Condition, Phase, Reason
from podferry.controller.core import orders, owners, pods
from podferry.controller.core.actions import (
    Action,
    DeletePod,
    DetachSource,
    ReattachSource,
    RecordEvent,
)
from podferry.controller.core.status import Draft, is_true, seconds_since
from podferry.controller.core.view import Step, View
from podferry.wire.stages import Progress, SourceStage, TargetStage

LOST_TARGET_SECONDS = 10.0
"""A target whose agent is silent cannot resume without a verdict; the source need not wait."""
LATE_THAW_SECONDS = 15.0
"""A thaw takes milliseconds; after that long a person should know that a workload stands still."""
POLL_SECONDS = 0.2
CLEAN_SECONDS = 3600.0
CLEAN_POLL_SECONDS = 5.0


def decide(view: View, reason: Reason | str, message: str) -> Step:
    """Write the decision; its orders run only after the compare-and-swap."""
    return _write(view, Decision.ROLLED_BACK, reason, message)


def revert(view: View, message: str, reason: Reason = Reason.TARGET_NEVER_RAN) -> Step:
    """Take a commit back: the target is proven never to have run (protocol item 7)."""
    return _write(view, Decision.REVERTED, reason, message)


def _write(view: View, decision: Decision, reason: Reason | str, message: str) -> Step:
    draft = Draft(view.migration, view.now)
    draft.decide(decision, reason, message)
    draft.set(Condition.COMMITTED, False, reason, message)
    draft.progress(Phase.ROLLING_BACK, Reason.ROLLING_BACK, message)
    event = RecordEvent("Warning", Reason.ROLLING_BACK.value, message)
    order = orders.target(view, draft.value, TargetStage.DISARMED)
    return Step(draft.value, (event, order), 0.0, decides=True)


def advance(view: View) -> Step:
    """The next step of the way back."""
    status = view.migration.status
    if not _target_is_out(view):
        return Step(status, (orders.target(view, status, TargetStage.DISARMED),), POLL_SECONDS)
    if _source_is_there(view) and not _source_is_awake(view):
        return _thaw(view)
    left = _give_back(view) or _let_target_go(view) or _destroy(view) or _remove_target(view)
    if left:
        return Step(status, tuple(left), POLL_SECONDS)
    return _end(view)


def _thaw(view: View) -> Step:
    """Ask again until it is awake; say so when that takes too long, for it may stand still."""
    status = view.migration.status
    order = orders.source(view, status, SourceStage.THAWED)
    if seconds_since(status.decided_at, view.now) < LATE_THAW_SECONDS:
        return Step(status, (order,), POLL_SECONDS)
    end, error = status.source, (view.source.error if view.source else None) or {}
    assert end is not None
    message = (
        f"pod {end.pod} on {end.node} may still be frozen:"
        f" {error.get('message') or 'its agent has not said that it is awake'}; it is asked again"
        f" until it is. See the agent's pod on {end.node}"
    )
    draft = Draft(view.migration, view.now)
    draft.progress(Phase.ROLLING_BACK, Reason.SOURCE_NOT_THAWED, message)
    event = RecordEvent("Warning", Reason.SOURCE_NOT_THAWED.value, message, end.pod, end.uid)
    return Step(draft.value, (event, order), POLL_SECONDS)


def _target_is_out(view: View) -> bool:
    out = (TargetStage.DISARMED.value, TargetStage.ABORTED.value)
    if view.target is not None and view.target.stage in out:
        return True
    return _target_is_silent(view)


def _target_is_silent(view: View) -> bool:
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


def _source_is_there(view: View) -> bool:
    """Its pod, or its tasks: kubelet can end those of a pod that is gone only once they wake up.

    One without tasks has files to remove; that is not waited for without an end.
    """
    if _source_pod(view) is not None:
        return True
    if view.source is None or view.source_age_seconds >= LOST_TARGET_SECONDS:
        return False
    waited = seconds_since(view.migration.status.decided_at, view.now)
    return view.source.facts.get("alive") is True or waited < LATE_THAW_SECONDS


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
    owner = view.owner
    gone = owner is None or owner["metadata"]["uid"] != status.owner.uid
    if gone or (owner is not None and owners.job_is_over(owner)):
        # Nobody will adopt it; what its user wanted for the owner goes for the pod as well.
        return [DeletePod(migration.namespace, end.pod, end.uid)]
    labels = dict(status.detached_labels or {})
    return [ReattachSource(migration.namespace, end.pod, end.uid, labels)]


def _let_target_go(view: View) -> list[Action]:
    """A Job gives the target up first: the end of a pod that it owns would count as a failure."""
    migration, status = view.migration, view.migration.status
    if status.owner is None or status.owner.kind != "Job":
        return []
    pod = pods.find(view.pods, migration.uid, status.attempt, pods.ROLE_REPLACEMENT)
    if pod is None or pod["metadata"].get("deletionTimestamp"):
        return []
    if owners.controller_of(pod).get("uid") != status.owner.uid:
        return []
    metadata = pod["metadata"]
    labels = owners.DETACH_LABELS["Job"]
    return [DetachSource(migration.namespace, metadata["name"], metadata["uid"], labels)]


def _destroy(view: View) -> list[Action]:
    """The rehearsal's memory and images, now that the source has its own."""
    gone = view.target is not None and view.target.stage == TargetStage.ABORTED.value
    if gone or _target_is_silent(view):
        return []
    return [orders.target(view, view.migration.status, TargetStage.ABORTED)]


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


def clean_later(view: View) -> Step | None:
    """What a silent target still holds when the Migration is over; None when nothing is known.

    The workload does not wait for it, but its memory must not stay on that disk for ever. Asked
    until the agent answers, its node is gone, or an hour passed.
    """
    status = view.migration.status
    back = status.decision in (Decision.ROLLED_BACK, Decision.REVERTED)
    late = seconds_since(status.completed_at, view.now) > CLEAN_SECONDS
    if not back or late or not view.migration.finalizers or status.target is None:
        return None
    left: list[Action] = []
    # Its pod was gone, so its thaw was not waited for; the agent still keeps its folder.
    begun = view.source is not None and view.source.stage != SourceStage.THAWED.value
    if begun and status.source is not None and status.source.node in view.nodes:
        left.append(orders.source(view, status, SourceStage.THAWED, wait=1.0))
    aborted = view.target is not None and view.target.stage == TargetStage.ABORTED.value
    if not aborted and status.target.node in view.nodes:
        left.append(orders.target(view, status, TargetStage.ABORTED, wait=1.0))
    return Step(status, tuple(left), CLEAN_POLL_SECONDS) if left else None


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
    for kind in (Condition.RESUMED, Condition.PAGING):
        if is_true(status, kind):
            draft.set(kind, False, status.decision_reason, "given up; the source goes on")
    draft.end(phase, status.decision_reason, message)
    event = RecordEvent(
        "Warning", phase.value, message, end.pod if end else "", end.uid if end else ""
    )
    return Step(draft.value, (event,), 0.0)
