"""PostCopy whose pages stopped to come after the resume: the declared exception, named. Pure.

The target ran without all of its memory and is frozen by its agent; the source is frozen as it was
at its freeze. Owns saying so, and the way back that only a person may choose: it gives up what the
workload did since its resume, and others may have seen that already.
"""

from __future__ import annotations

from podferry.api.migration import keeps_name
from podferry.api.reasons import Condition, Phase, Reason
from podferry.controller.core import orders, rollback
from podferry.controller.core.actions import Action, RecordEvent
from podferry.controller.core.status import Draft, condition, seconds_since
from podferry.controller.core.view import Step, View
from podferry.wire.stages import TargetStage

POLL_SECONDS = 1.0


def lost(view: View) -> bool:
    """Whether the target's agent says that the rest of the memory will not come."""
    return view.target is not None and view.target.facts.get("pagesLost") is True


def step(view: View) -> Step:
    """Name it and wait for a person; after a cancel go back to the source."""
    migration, status = view.migration, view.migration.status
    wanted = migration.spec.cancel or migration.deletion_requested
    if wanted and not keeps_name(status.owner):
        return rollback.revert(
            view,
            "cancelled after its pages were lost; what the workload did after its resume is given"
            " up",
            Reason.PAGES_LOST,
        )
    draft = Draft(migration, view.now)
    target, found = status.target, condition(status, Condition.PAGING)
    assert target is not None
    ask: Action = orders.target(view, status, TargetStage.RESUMED, wait=0.0)
    if found is not None and found.reason == Reason.PAGES_LOST.value:
        return Step(status, (ask,), POLL_SECONDS)
    message = _message(view)
    draft.set(Condition.PAGING, True, Reason.PAGES_LOST, message)
    draft.progress(Phase.PAGING, Reason.PAGES_LOST, "stands still; see condition Paging")
    event = RecordEvent("Warning", Reason.PAGES_LOST.value, message, target.pod, target.uid)
    return Step(draft.value, (event, ask), POLL_SECONDS)


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


def _ran(view: View) -> str:
    """How long the target may have run at most."""
    began = view.migration.status.resumed_at
    return f"at most {seconds_since(began, view.now):.0f} s" if began else "at once"
