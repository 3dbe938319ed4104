"""PostCopy whose pages stopped to come after the resume: the declared exception, named. Pure.

The target ran without all of its memory. It is frozen by its agent, or it ended (its node was
rebooted) and kubelet starts its container anew, without its memory; the source is frozen as it was
at its freeze. Owns saying so, and the two ways out that only a person may choose: back to the
freeze, which gives up what happened since, or without the frozen memory.
"""

from __future__ import annotations

from dataclasses import replace

from podferry.api.migration import keeps_name
from podferry.api.reasons import Condition, Phase, Reason
from podferry.controller.core import fencing, orders, owners, rollback
from podferry.controller.core.actions import Action, RecordEvent
from podferry.controller.core.pods import RawPod, is_ending
from podferry.controller.core.status import Draft, condition, seconds_since
from podferry.controller.core.view import Step, View
from podferry.wire.stages import TargetStage

OUTSTANDING = "until the last page has arrived the loss of either node loses the workload"
POLL_SECONDS = 1.0
SILENT_SECONDS = 15.0
"""So long without an answer of the target's agent, and a person is told."""


def lost(view: View) -> bool:
    """Whether the target's agent says that the rest of the memory will not come."""
    return view.target is not None and view.target.facts.get("pagesLost") is True


def ended(view: View) -> bool:
    """Whether the container that was resumed is gone as well, its memory with it."""
    facts = view.target.facts if view.target else {}
    return lost(view) and facts.get("mayHaveRun") is True and facts.get("alive") is False


def source_given_up(view: View) -> bool:
    """Whether a person gave up the frozen source after the target ended.

    By deleting its pod; one that kept its name has no pod any more, so by a cancel.
    """
    migration, status = view.migration, view.migration.status
    if not ended(view):
        return False
    if keeps_name(status.owner):
        return migration.spec.cancel or migration.deletion_requested
    pod = _source_pod(view)
    return pod is None or is_ending(pod)


def step(view: View) -> Step:
    """Name it and wait for a person; after a cancel go back to the source."""
    migration, status = view.migration, view.migration.status
    wanted = migration.spec.cancel or migration.deletion_requested
    if wanted and not keeps_name(status.owner) and not (ended(view) and _replaced(view)):
        return rollback.revert(
            view,
            "cancelled after its pages were lost; what the workload did after its resume is given"
            " up",
            Reason.PAGES_LOST,
        )
    reason = Reason.ENDED_WHILE_PAGING if ended(view) else Reason.PAGES_LOST
    message = _message_ended(view) if ended(view) else _message(view)
    target = status.target
    assert target is not None
    ask: Action = orders.target(view, status, TargetStage.RESUMED, wait=0.0)
    found = condition(status, Condition.PAGING)
    # A time in the message would be another one each second.
    known = found is not None and found.reason == reason.value
    if known and found is not None and (reason is Reason.PAGES_LOST or found.message == message):
        return Step(status, (ask,), POLL_SECONDS)
    draft = Draft(migration, view.now)
    draft.set(Condition.PAGING, True, reason, message)
    draft.progress(Phase.PAGING, reason, "waits for a person; see condition Paging")
    event = RecordEvent("Warning", reason.value, message, target.pod, target.uid)
    return Step(draft.value, (event, ask), POLL_SECONDS)


def silent(view: View, step: Step) -> Step:
    """The same step, unless the target's agent is silent: then say so, and know a way back.

    Silence proves nothing, so a cancel alone is not enough: a person must also have said that the
    node is off for good.
    """
    migration, status = view.migration, step.status
    target, found = status.target, condition(status, Condition.PAGING)
    if step.decides or target is None or found is None:
        return step
    draft = Draft(replace(migration, status=status), view.now)
    if view.target_age_seconds <= SILENT_SECONDS:
        if found.reason != Reason.AGENT_UNREACHABLE.value:
            return step
        draft.set(Condition.PAGING, True, Reason.PAGES_OUTSTANDING, OUTSTANDING)
        return replace(step, status=draft.value)
    node = view.nodes.get(target.node)
    wanted = migration.spec.cancel or migration.deletion_requested
    if wanted and not keeps_name(status.owner) and (node is None or fencing.is_fenced(node)):
        return rollback.revert(
            view,
            f"cancelled, and {target.node} is off for good; what the workload did after its resume"
            " is given up",
            Reason.PAGES_LOST,
        )
    draft.set(Condition.PAGING, True, Reason.AGENT_UNREACHABLE, _message_silent(view))
    return replace(step, status=draft.value)


def _source_pod(view: View) -> RawPod | None:
    end = view.migration.status.source
    pod = view.pods.get(end.pod) if end else None
    return pod if pod is not None and end and pod["metadata"]["uid"] == end.uid else None


def _replaced(view: View) -> bool:
    """Whether the owner has made another pod in the place of the target, as a Job does."""
    status, owner = view.migration.status, view.owner
    if owner is None or status.owner is None:
        return False
    spec = owner.get("spec") or {}
    wanted = spec.get("parallelism", spec.get("replicas"))
    others = [
        pod
        for pod in view.pods.values()
        if owners.controller_of(pod).get("uid") == status.owner.uid
        and (status.target is None or pod["metadata"]["uid"] != status.target.uid)
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    ]
    return len(others) >= max(1, 1 if wanted is None else int(wanted))


def _message(view: View) -> str:
    """What happened, what is kept, and what a person can do."""
    status, source, target = view.migration.status, view.migration.status.source, view.target
    error = (target.error if target else None) or {}
    node = status.target.node if status.target else "?"
    home = source.node if source else "?"
    words = (
        f"the rest of the memory never reached {node}: the daemon there, or criu on {home}, ended"
        f" {error.get('message', '')}".rstrip()
        + f". The workload is frozen on {node} {_ran(view)} after its resume, and kept on {home} as"
        " it was at the freeze."
    )
    if keeps_name(status.owner):
        return words + " Its pod kept its name, so there is no way back: delete it to start anew"
    return words + (
        " `podferry cancel` goes back to that and gives up what it did since; nothing is"
        " destroyed before"
    )


def _message_ended(view: View) -> str:
    status, source = view.migration.status, view.migration.status.source
    node = status.target.node if status.target else "?"
    home, pod = (source.node, source.pod) if source else ("?", "?")
    words = (
        f"the workload ended on {node} while its memory was still on its way, as after a reboot"
        " of that node; a container that kubelet starts there begins anew. Its memory is kept,"
        f" frozen, on {home} as it was at the freeze."
    )
    if keeps_name(status.owner):
        return words + (
            " Its pod kept its name, so nobody can go back to it: `podferry cancel` gives it up and"
            " ends the move"
        )
    if _replaced(view):
        return words + (
            f" Its owner has made another pod, so nothing goes back to it: `kubectl delete pod"
            f" {pod}` gives it up and ends the move"
        )
    return words + (
        " `podferry cancel` ends what began anew and goes back to the freeze;"
        f" `kubectl delete pod {pod}` gives the frozen memory up and ends the move"
    )


def _message_silent(view: View) -> str:
    status, source = view.migration.status, view.migration.status.source
    node = status.target.node if status.target else "?"
    words = (
        f"the agent on {node} does not answer, and the workload was to fetch the rest of its memory"
        f" there. It is kept, frozen, on {source.node if source else '?'} as it was at the freeze."
        f" Bring {node} back"
    )
    if keeps_name(status.owner):
        return words
    return words + (
        f"; if it is off for good, give it the taint {fencing.OUT_OF_SERVICE}, then `podferry"
        " cancel` goes back to the freeze"
    )


def _ran(view: View) -> str:
    """How long the target may have run at most."""
    began = view.migration.status.resumed_at
    return f"at most {seconds_since(began, view.now):.0f} s" if began else "at once"
