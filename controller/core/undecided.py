"""Accepted and not decided: prepare, freeze, rehearse, seal; then commit, or roll back. Pure.

Owns every reason to turn back. From the first order on, the only ways out are the two decisions.
"""

from __future__ import annotations

from dataclasses import replace

from podferry.api.migration import CopyMode, MigrationStatus, keeps_name
from podferry.api.reasons import Condition, Phase, Reason
from podferry.controller.core import (
    blocked,
    finish,
    freeze_first,
    interference,
    job_target,
    orders,
    owners,
    pages_lost,
    pods,
    rollback,
    upgrades,
)
from podferry.controller.core.actions import Action, CreatePod, DetachSource
from podferry.controller.core.status import Draft, is_true, seconds_since
from podferry.controller.core.view import Step, View
from podferry.wire.stages import Observed, Progress, Role, SourceStage, TargetStage

FRESH_SECONDS = 1.0
"""A commit rests only on answers that are younger than this."""
PREPARE_SECONDS = 90.0
"""A target that is not held by then never will be: kubelet gives `create` 120 s."""
POLL_SECONDS = 0.1


def advance(view: View) -> Step:
    """The next step on the way to the decision."""
    # Before every reason to turn back: the way back destroys the rehearsal, and when the source is
    # dead that is the last copy. Without fresh answers we do not know, and wait.
    # One that was frozen first has no rehearsal to lose before its target is ready.
    preparing = not is_true(view.migration.status, Condition.TARGET_READY)
    early = preparing and view.migration.spec.freeze_first
    if view.migration.status.freeze_epoch > 0 and not early:
        if view.source_age_seconds >= FRESH_SECONDS:
            return _wait_for(view, "source")
        if _source_died_frozen(view):
            if view.target_age_seconds >= FRESH_SECONDS:
                return _wait_for(view, "target")
            if _at(view.target, TargetStage.REHEARSED.value):
                return finish.commit(view, Reason.SOURCE_ENDED)
    trouble = _trouble(view)
    if trouble is not None:
        return rollback.decide(view, *trouble)
    if preparing:
        return freeze_first.advance(view) or _prepare(view)
    return _freeze(view)


def _trouble(view: View) -> tuple[Reason | str, str] | None:
    """Why to roll back now; None to go on."""
    migration, status = view.migration, view.migration.status
    if migration.spec.cancel or migration.deletion_requested:
        return Reason.CANCELLED, "cancelled by request before the decision"
    if seconds_since(status.started_at, view.now) > migration.spec.deadline_seconds:
        return (
            Reason.DEADLINE_EXCEEDED,
            f"not decided within deadlineSeconds={migration.spec.deadline_seconds}; raise it, or"
            " see which step was slow in status.conditions",
        )
    # What the user did comes first: that an agent then fails is only what follows from it.
    given_up = _given_up(view)
    if given_up is not None:
        return given_up
    if pages_lost.lost(view):
        return Reason.PAGES_LOST, "the target cannot fetch the memory: its daemon or its peer ended"
    for observed in (view.target, view.source):
        if observed is not None and observed.progress is Progress.FAILED:
            error = observed.error or {}
            return (
                str(error.get("reason") or Reason.PREPARE_FAILED.value),
                f"{observed.role.value} agent at {observed.wanted}: {error.get('message', '')}",
            )
    return _late(view) or _target_lost(view)


def _given_up(view: View) -> tuple[Reason, str] | None:
    """What its owner or its user did to the source, or the source by itself."""
    status = view.migration.status
    gave_up = owners.owner_gave_up(status.owner, view.owner)
    if gave_up:
        return Reason.SOURCE_CHANGED, f"{gave_up}; the request is moot"
    end = status.source
    assert end is not None
    pod = view.pods.get(end.pod)
    if pod is None or pod["metadata"]["uid"] != end.uid:
        return Reason.SOURCE_ENDED, f"pod {end.pod} is gone"
    if pod["metadata"].get("deletionTimestamp"):
        return Reason.SOURCE_CHANGED, f"pod {end.pod} is being deleted"
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return Reason.SOURCE_ENDED, f"pod {end.pod} ended by itself"
    return interference.find(view, pod)


def _late(view: View) -> tuple[Reason, str] | None:
    """Why the target does not become ready, once that is certain."""
    status = view.migration.status
    if is_true(status, Condition.TARGET_READY):
        return None
    waited = seconds_since(status.started_at, view.now)
    due = waited > PREPARE_SECONDS and _is_due(view)
    hold = freeze_first.hold(view) if due else None
    if hold is not None:
        return hold.reason, f"{hold.message}; waited {waited:.0f} s, nothing was frozen; ask again"
    if due and view.need and view.need.needed is None:
        why = f"{view.need.why}; waited {waited:.0f} s, nothing was frozen"
        return Reason.NODE_UNKNOWN, why
    refused = blocked.why(view.owner, _target_pod(view))
    if refused is not None and waited > blocked.PATIENCE_SECONDS:
        return refused
    frozen = freeze_first.waited(view)
    if frozen is not None:
        return Reason.TARGET_UNSCHEDULABLE, f"{frozen}: {_why_not_ready(view, '')}"
    if waited > PREPARE_SECONDS:
        within = f" within {PREPARE_SECONDS:.0f} s"
        return Reason.TARGET_UNSCHEDULABLE, _why_not_ready(view, within)
    return None


def _is_due(view: View) -> bool:
    """Whether nothing is frozen yet and the freeze is what comes next."""
    first = view.migration.spec.freeze_first
    return view.migration.status.freeze_epoch == 0 and (first or _held(view))


def _target_lost(view: View) -> tuple[Reason, str] | None:
    status = view.migration.status
    target = status.target
    if target is None or not target.uid:
        return None
    pod = view.pods.get(target.pod)
    if pod is None or pod["metadata"]["uid"] != target.uid:
        return Reason.TARGET_LOST, f"target pod {target.pod} is gone"
    if pod["metadata"].get("deletionTimestamp"):
        return Reason.TARGET_LOST, f"target pod {target.pod} is being deleted"
    return None


def _why_not_ready(view: View, within: str) -> str:
    found = _target_pod(view)
    name = view.migration.status.target.node if view.migration.status.target else "?"
    if found is None:
        return f"no replacement pod appeared on {name}{within}"
    for item in (found.get("status") or {}).get("conditions") or []:
        if item.get("type") == "PodScheduled" and item.get("status") == "False":
            return f"target pod {found['metadata']['name']}: {item.get('message')}"
    return (
        f"the container of target pod {found['metadata']['name']} was not held on {name}{within};"
        " see its events (image, volumes, sandbox)"
    )


def _target_pod(view: View) -> pods.RawPod | None:
    status = view.migration.status
    role = pods.ROLE_REHEARSAL if keeps_name(status.owner) else pods.ROLE_REPLACEMENT
    return pods.find(view.pods, view.migration.uid, status.attempt, role)


def _wait_for(view: View, side: str) -> Step:
    """Say whose answer is missing; the view is built with a new question to both agents."""
    status = view.migration.status
    end = status.source if side == "source" else status.target
    draft = Draft(view.migration, view.now)
    draft.progress(
        Phase.FREEZING,
        Reason.AGENT_UNREACHABLE,
        f"waiting for the agent on {end.node if end else '?'} ({side}); nothing is decided without"
        " its answer. See its pod in podferry-system",
    )
    return Step(draft.value, (), POLL_SECONDS)


def _source_died_frozen(view: View) -> bool:
    """Killed after its freeze; its complete rehearsal is then the last copy (protocol item 8)."""
    facts = view.source.facts if view.source else {}
    stop_and_copy = view.migration.status.copy == CopyMode.STOP_AND_COPY.value
    return stop_and_copy and bool(facts.get("frozenAt")) and facts.get("alive") is False


def _prepare(view: View) -> Step:
    """Both agents ready, the source given up by its owner, the target's container held."""
    migration, status = view.migration, view.migration.status
    if not _at(view.target, TargetStage.PREPARED.value):
        return Step(status, (orders.target(view, status, TargetStage.PREPARED),), POLL_SECONDS)
    if not _at(view.source, SourceStage.PREPARED.value):
        return Step(status, (orders.source(view, status, SourceStage.PREPARED),), POLL_SECONDS)
    found = _target_pod(view)
    if found is None:
        return _ask_for_target(view)
    metadata = found["metadata"]
    assert isinstance(metadata, dict)
    target = status.target
    assert target is not None
    assert view.target is not None
    if not _held(view):
        order = orders.target(view, status, TargetStage.PREPARED, wait=0.0)
        return Step(status, (order,), POLL_SECONDS)
    first = freeze_first.is_frozen(view)  # then any wait would only lengthen it
    hold = None if first else freeze_first.hold(view)
    if hold is not None:
        return upgrades.wait(view, hold, Phase.PREPARING)
    if view.need is not None and not view.need.needed:
        return freeze_first.without_need(view, view.need)
    draft = Draft(migration, view.now)
    container = str(view.target.facts.get("containerID") or "")
    ready = replace(
        target, pod=str(metadata["name"]), uid=str(metadata["uid"]), container_id=container
    )
    draft.put(target=ready, freeze_epoch=status.freeze_epoch + (0 if first else 1))
    message = f"container of pod {ready.pod} is held on {ready.node}"
    draft.set(Condition.TARGET_READY, True, Reason.CONTAINER_HELD, message)
    draft.progress(Phase.FREEZING, Reason.FREEZING, "freezing and copying")
    free = job_target.let_go(view, draft.value)
    return Step(draft.value, (*free, *_freeze_orders(view, draft.value)), 0.0)


def _held(view: View) -> bool:
    """Whether the target's agent says that this very pod's container is held in `create`."""
    found, facts = _target_pod(view), view.target.facts if view.target else {}
    if found is None or not facts.get("claimed"):
        return False
    return bool(facts.get("claimPodUID") == found["metadata"]["uid"])


def _ask_for_target(view: View) -> Step:
    """Make the owner, or ourselves, create the target pod."""
    migration, status = view.migration, view.migration.status
    end, target = status.source, status.target
    assert end is not None
    assert target is not None
    if keeps_name(status.owner):
        manifest = pods.rehearsal(
            view.pods[end.pod], end, uid=migration.uid, attempt=status.attempt, node=target.node
        )
        return Step(status, (CreatePod(manifest),), POLL_SECONDS)
    kind = status.owner.kind if status.owner else ""
    labels = owners.DETACH_LABELS[kind]
    draft = Draft(migration, view.now)
    if not status.source_detached:
        present = view.pods[end.pod]["metadata"].get("labels") or {}
        taken = {name: str(present[name]) for name in labels if name in present}
        draft.put(source_detached=True, detached_labels=taken)
    action: Action = DetachSource(migration.namespace, end.pod, end.uid, labels)
    return Step(draft.value, (action,), POLL_SECONDS)


def _freeze(view: View) -> Step:
    """Freeze, rehearse, seal, commit; each order only once the one before was answered."""
    status = view.migration.status
    left = (*job_target.let_go(view, status), *_freeze_orders(view, status))
    if left:
        return Step(status, left, POLL_SECONDS)
    ages = (view.source_age_seconds, view.target_age_seconds)
    if max(ages) >= FRESH_SECONDS:
        asks = (
            orders.source(view, status, SourceStage.SEALED, wait=0.0),
            orders.target(view, status, TargetStage.REHEARSED, wait=0.0),
        )
        return Step(status, asks, 0.0)
    if view.target is not None and view.target.facts.get("alive") is False:
        node = status.target.node if status.target else "?"
        return rollback.decide(
            view, Reason.TARGET_LOST, f"the rehearsal on {node} ended before the decision"
        )
    return finish.commit(view, Reason.DECIDED)


def _freeze_orders(view: View, status: MigrationStatus) -> tuple[Action, ...]:
    """The orders between the held container and the decision that are not reached yet.

    They go out one after the other in one step: looking at the cluster between them would only
    lengthen the freeze, and every reason to turn back is looked at again before the commit.
    """
    frozen, sealed = SourceStage.FROZEN, SourceStage.SEALED
    rehearsed = TargetStage.REHEARSED
    chain = (
        (view.source, frozen.value, orders.source(view, status, frozen), None),
        (view.target, rehearsed.value, orders.target(view, status, rehearsed), Role.SOURCE),
        (view.source, sealed.value, orders.source(view, status, sealed), Role.TARGET),
    )
    found: list[Action] = []
    before = ""
    for observed, stage, order, role in chain:
        if not _at(observed, stage):
            after = (role, before) if role is not None and found else None
            found.append(replace(order, after=after))
        before = stage
    return tuple(found)


def _at(observed: Observed | None, stage: str) -> bool:
    return observed is not None and observed.reached(stage)
