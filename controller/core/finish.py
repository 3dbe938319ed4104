"""The commit and everything after it: resume, release, forget. Forward only. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from podferry.api.migration import (
    CopyMode,
    Decision,
    Endpoint,
    Measured,
    MigrationStatus,
    PhaseTime,
    keeps_name,
)
from podferry.api.reasons import Condition, Phase, Reason
from podferry.controller.core import (
    handover,
    job_target,
    late_release,
    orders,
    owners,
    pages_lost,
    pods,
    revert,
)
from podferry.controller.core.actions import (
    Action,
    CreatePod,
    DeletePod,
    MarkPodRunning,
    RecordEvent,
)
from podferry.controller.core.status import Draft, condition, is_true, parse, seconds_since, stamp
from podferry.controller.core.view import Step, View
from podferry.wire.stages import Observed, Progress, Role, SourceStage, TargetStage

UNREACHABLE_SECONDS = 15.0
"""After that long without a resume the condition says so; nothing else changes."""
POLL_SECONDS = 0.1


def commit(view: View, reason: Reason) -> Step:
    """The decision; the orders that rest on it run only after its compare-and-swap."""
    migration = view.migration
    end, target = migration.status.source, migration.status.target
    assert end is not None
    assert target is not None
    facts = _facts(view.source)
    draft = Draft(migration, view.now)
    frozen_at = _time_of(facts.get("frozenAt"), view.now)
    size = int(facts.get("pagesBytes") or facts.get("residentBytes") or 0)
    draft.put(frozen_at=frozen_at)
    draft.set(
        Condition.SOURCE_FROZEN, True, Reason.FROZEN,
        f"{size / 2**20:.0f} MiB dumped in {float(facts.get('dumpSeconds') or 0):.2f} s",
    ).set(
        Condition.REHEARSED, True, Reason.REHEARSED,
        f"restored and frozen on {target.node} in"
        f" {float(_facts(view.target).get('restoreSeconds') or 0):.2f} s",
    ).set(
        Condition.COMMITTED, True, reason,
        f"the workload belongs to {target.node} from now on",
    )  # fmt: skip
    draft.decide(Decision.COMMITTED, reason, "both agents answered; the rehearsal is complete")
    draft.progress(Phase.COMMITTED, Reason.DECIDED, f"resuming on {target.node}")
    return Step(draft.value, _resume_actions(view, draft.value), 0.0, decides=True)


def advance(view: View) -> Step:
    """The next step of a committed Migration."""
    status = view.migration.status
    if not is_true(status, Condition.RESUMED):
        return _resume(view)
    if not is_true(status, Condition.SOURCE_RELEASED):
        return _release(view)
    return _end(view)


def _resume_actions(view: View, status: MigrationStatus) -> tuple[Action, ...]:
    """Orders and pod changes of the resume; each is safe to repeat."""
    if not keeps_name(status.owner):
        # At once after the resume, before its status is written: clients wait for it. Never
        # before: a commit may be taken back as long as the target did not run.
        redirect = orders.source(view, status, SourceStage.REDIRECTED, wait=0.0)
        return (
            orders.target(view, status, TargetStage.RESUMED),
            replace(redirect, after=(Role.TARGET, TargetStage.RESUMED.value)),
        )
    migration = view.migration
    uid, attempt = migration.uid, status.attempt
    end, target = status.source, status.target
    assert end is not None
    assert target is not None
    final = pods.find(view.pods, uid, attempt, pods.ROLE_FINAL)
    final_uid = str(final["metadata"]["uid"]) if final else ""
    # The first order ends the rehearsal and must not wait for a pod that we make after it.
    wait = orders.WAIT_SECONDS if final else 0.0
    actions: list[Action] = [
        orders.target(view, status, TargetStage.RESUMED, wait=wait, final_pod_uid=final_uid)
    ]
    source = view.pods.get(end.pod)
    if source is not None and source["metadata"]["uid"] == end.uid:
        actions.append(DeletePod(migration.namespace, end.pod, end.uid, 0))
    rehearsal = pods.find(view.pods, uid, attempt, pods.ROLE_REHEARSAL)
    if rehearsal is None:
        return tuple(actions)
    if status.owner is None and final is None:
        # The rehearsal knows how to make the bare pod; it goes only once that one exists.
        actions.append(CreatePod(pods.final(rehearsal, uid=uid, attempt=attempt, node=target.node)))
    else:
        metadata = rehearsal["metadata"]
        actions.append(DeletePod(migration.namespace, metadata["name"], metadata["uid"], 0))
    return tuple(actions)


def _resume(view: View) -> Step:
    migration, status = view.migration, view.migration.status
    target = status.target
    assert target is not None
    observed = view.target
    if observed is None or not observed.reached(TargetStage.RESUMED.value):
        if pages_lost.lost(view) and _facts(view.target).get("mayHaveRun"):
            return pages_lost.step(view)
        way_back = revert.step(view)
        if way_back is not None:
            return way_back
        draft = Draft(migration, view.now)
        if seconds_since(status.decided_at, view.now) > UNREACHABLE_SECONDS:
            draft.set(
                Condition.RESUMED,
                False,
                Reason.TARGET_UNREACHABLE_AFTER_COMMIT,
                _why_not_resumed(view, target),
            )
        failed = observed is not None and observed.progress is Progress.FAILED
        pause = 1.0 if failed else POLL_SECONDS
        return Step(draft.value, _resume_actions(view, draft.value), pause)
    draft = Draft(migration, view.now)
    end = _resumed_end(view, target, observed)
    resumed_at = _time_of(observed.facts.get("resumedAt"), view.now) or stamp(view.now)
    draft.put(target=end, resumed_at=resumed_at)
    draft.set(Condition.RESUMED, True, Reason.RUNNING, f"pod {end.pod} runs on {end.node}")
    if status.copy == CopyMode.POST_COPY.value:
        draft.set(Condition.PAGING, True, Reason.PAGES_OUTSTANDING, pages_lost.OUTSTANDING)
        draft.progress(Phase.PAGING, Reason.PAGES_OUTSTANDING, "fetching the rest of the memory")
    else:
        draft.progress(Phase.RELEASING, Reason.RUNNING, "releasing the source")
    actions: list[Action] = [*job_target.give_back(view, draft.value)]
    actions.append(MarkPodRunning(migration.namespace, end.pod, end.uid))
    # PostCopy too: the source resets its clients' connections now, and keeps its memory until the
    # last page has left.
    actions.append(orders.source(view, draft.value, SourceStage.REDIRECTED, wait=1.0))
    return Step(draft.value, tuple(actions), 0.0)


def _why_not_resumed(view: View, target: Endpoint) -> str:
    """What is missing after the decision, and what a person can do."""
    status = view.migration.status
    kept = f"The frozen source on {status.source.node if status.source else '?'} is kept"
    gave_up = owners.owner_gave_up(status.owner, view.owner)
    if gave_up and keeps_name(status.owner):
        return (
            f"{gave_up} after the decision, so nobody makes the pod in which the workload would go"
            f" on. {kept}; make the owner again to go on, or delete this Migration to give the"
            " workload up"
        )
    error = (view.target.error if view.target else None) or {}
    final = pods.find(view.pods, view.migration.uid, status.attempt, pods.ROLE_FINAL)
    if keeps_name(status.owner) and final is None:
        return (
            f"pod {status.source.pod if status.source else '?'}, in which the workload goes on, is"
            f" not there: its creation is refused or fails. {kept}, and whole on {target.node}; see"
            " the namespace's quota, whether it is being deleted, and the events of the pod's owner"
        )
    return (
        f"{target.node} has not confirmed that the workload runs:"
        f" {error.get('message', 'no answer from its agent')}. {kept}; bring the node back"
    )


def _resumed_end(view: View, target: Endpoint, observed: Observed) -> Endpoint:
    """The pod that runs: the agent names its uid; for a kept name it is not the rehearsal's."""
    uid = str(observed.facts.get("resumedPodUID") or target.uid)
    name = target.pod
    for pod in view.pods.values():
        if pod["metadata"]["uid"] == uid:
            name = str(pod["metadata"]["name"])
    if keeps_name(view.migration.status.owner) and view.migration.status.source:
        name = view.migration.status.source.pod
    container = str(observed.facts.get("containerID") or target.container_id)
    return replace(target, pod=name, uid=uid, container_id=container)


def _release(view: View) -> Step:
    if late_release.node_is_gone(view):
        end = view.migration.status.source
        draft = Draft(view.migration, view.now)
        message = f"{end.node if end else '?'} is gone, and what it held with it"
        draft.set(Condition.SOURCE_RELEASED, True, Reason.RELEASED, message)
        return Step(draft.value, (), 0.0)
    step = late_release.tell(view, _next_to_release(view))
    lazy = view.migration.status.copy == CopyMode.POST_COPY.value
    return (
        pages_lost.silent(view, step) if lazy and not _facts(view.target).get("pagesDone") else step
    )


def _next_to_release(view: View) -> Step:
    migration, status = view.migration, view.migration.status
    end, target = status.source, status.target
    assert end is not None
    assert target is not None
    paging = status.copy == CopyMode.POST_COPY.value
    running: tuple[Action, ...] = ()
    if not handover.is_marked(view):
        running = (MarkPodRunning(migration.namespace, target.pod, target.uid),)
    running = (*job_target.give_back(view, status), *running)
    if view.source is None or not view.source.reached(SourceStage.REDIRECTED.value):
        order = orders.source(view, status, SourceStage.REDIRECTED, wait=1.0)
        return Step(status, (*running, order), POLL_SECONDS)
    given_up = paging and pages_lost.source_given_up(view)
    if paging and pages_lost.lost(view) and not given_up:
        return pages_lost.step(view)
    if paging and not given_up and not _facts(view.target).get("pagesDone"):
        order = orders.target(view, status, TargetStage.RESUMED, wait=0.0)
        return Step(status, (*running, order), POLL_SECONDS)
    if view.source.stage != SourceStage.RELEASED.value:
        if not handover.release_due(view):
            return Step(status, running, handover.POLL_SECONDS)
        order = orders.source(view, status, SourceStage.RELEASED, pages_done=given_up)
        return Step(status, (*running, order), POLL_SECONDS)
    draft = Draft(migration, view.now)
    if given_up:
        draft.set(Condition.PAGING, False, Reason.ENDED_WHILE_PAGING, "the rest was given up")
    elif paging:
        draft.set(Condition.PAGING, False, Reason.ALL_PAGES_IN, "all memory is on the target")
    closed = _connections_closed(view.source.facts)
    draft.set(
        Condition.SOURCE_RELEASED, True, Reason.RELEASED,
        f"{end.node} holds nothing of it; {closed} TCP connections were reset",
    )  # fmt: skip
    draft.progress(Phase.RELEASING, Reason.RELEASED, "cleaning up")
    return Step(draft.value, (), 0.0)


def _clean_up(view: View) -> Step | None:
    """End the source's pod and the target's images; None when nothing is left."""
    migration, status = view.migration, view.migration.status
    end = status.source
    assert end is not None
    source = view.pods.get(end.pod)
    there = source is not None and source["metadata"]["uid"] == end.uid
    wait = handover.seconds_to_deletion(view) if there else 0.0
    if wait > 0:
        return Step(status, (), wait)
    left: list[Action] = [*job_target.give_back(view, status)]
    # The target first resets what still comes through the source's pod: then nobody waits for it.
    # An answer that says "not yet" must not be followed by the deletion: the resets go through it.
    forgotten = view.target is not None and view.target.reached(TargetStage.FORGOTTEN.value)
    if there and (forgotten or handover.is_late(view)):
        left.insert(0, DeletePod(migration.namespace, end.pod, end.uid, 0))
    if not forgotten:
        left.append(orders.target(view, status, TargetStage.FORGOTTEN))
    # Its deletion belongs to the resume, but the resume may be seen before that was done.
    rehearsal = pods.find(view.pods, migration.uid, status.attempt, pods.ROLE_REHEARSAL)
    if rehearsal is not None:
        metadata = rehearsal["metadata"]
        left.append(DeletePod(migration.namespace, metadata["name"], metadata["uid"], 0))
    return Step(status, tuple(left), POLL_SECONDS) if left else None


def _end(view: View) -> Step:
    migration, status = view.migration, view.migration.status
    end, target = status.source, status.target
    assert end is not None
    assert target is not None
    left = _clean_up(view)
    if left is not None:
        return left
    measured = measure(view)
    draft = Draft(migration, view.now)
    draft.put(measured=measured)
    if orders.pages_given_up(status):
        words = f"began anew on {target.node}, where it ended while its memory was still on its way"
        draft.end(Phase.COLD_RESTARTED, Reason.ENDED_WHILE_PAGING, words)
        return Step(draft.value, (), 0.0)
    predicted = status.prediction.freeze_p50_seconds if status.prediction else 0.0
    message = (
        f"moved from {end.node} to {target.node}: frozen {measured.freeze_seconds:.2f} s"
        f" (predicted {predicted:.2f} s), {measured.bytes / 2**20:.0f} MiB,"
        f" {measured.total_seconds:.1f} s in all"
    )
    draft.end(Phase.SUCCEEDED, Reason.MOVED, message)
    event = RecordEvent("Normal", Reason.MOVED.value, message, target.pod, target.uid)
    return Step(draft.value, (event,), 0.0)


def measure(view: View) -> Measured:
    """What it took, from the agents' facts and the times in the status [s, bytes]."""
    status = view.migration.status
    source, target = _facts(view.source), _facts(view.target)
    freeze = 0.0
    if source.get("frozenAt") and target.get("resumedAt"):
        freeze = float(target["resumedAt"]) - float(source["frozenAt"])
    elif status.frozen_at and status.resumed_at:
        freeze = (parse(status.resumed_at) - parse(status.frozen_at)).total_seconds()
    prepare = 0.0
    if status.frozen_at and status.started_at:
        prepare = (parse(status.frozen_at) - parse(status.started_at)).total_seconds()
    return Measured(
        freeze_seconds=round(freeze, 4),
        total_seconds=round(_span(status.started_at, stamp(view.now)), 3),
        prepare_seconds=round(prepare, 3),
        dump_seconds=float(source.get("dumpSeconds") or 0.0),
        restore_seconds=float(target.get("restoreSeconds") or 0.0),
        bytes=int(source.get("pagesBytes") or source.get("residentBytes") or 0),
        tcp_connections_closed=_connections_closed(source),
        phases=_phases(status, float(source.get("dumpSeconds") or 0.0)),
    )


def _phases(status: MigrationStatus, dump_seconds: float) -> tuple[PhaseTime, ...]:
    """The steps whose begin and end are known; they do not add up to the freeze."""
    released = condition(status, Condition.SOURCE_RELEASED)
    spans = (
        ("Prepare", status.started_at, status.frozen_at),
        ("Resume", status.decided_at, status.resumed_at),
        ("Release", status.resumed_at, released.last_transition_time if released else ""),
    )
    found = [
        PhaseTime(name, begin, round((parse(end) - parse(begin)).total_seconds(), 4))
        for name, begin, end in spans
        if begin and end
    ]
    if status.frozen_at and dump_seconds:
        found.insert(1, PhaseTime("Dump", status.frozen_at, dump_seconds))
    # Begin and end may be of two machines' clocks: a negative time says nothing.
    return tuple(item for item in found if item.seconds >= 0)


def _span(begin: str, end: str) -> float:
    """Seconds between two stamps, 0 if a clock was set back between them."""
    return max(0.0, (parse(end) - parse(begin)).total_seconds()) if begin else 0.0


def _connections_closed(source: dict[str, Any]) -> int:
    """Established connections that the release reset; before it, those seen at the freeze."""
    return int(source.get("connectionsReset", source.get("tcpConnections")) or 0)


def _facts(observed: Observed | None) -> dict[str, Any]:
    return observed.facts if observed is not None else {}


def _time_of(unix_seconds: object, now: datetime) -> str:
    """A node's unix time as a stamp, empty for none."""
    if not isinstance(unix_seconds, int | float) or not unix_seconds:
        return ""
    return stamp(datetime.fromtimestamp(float(unix_seconds), tz=now.tzinfo))
