"""A workload that runs on, while its frozen source still holds memory that nobody can free. Pure.

Owns when a person is told, and when the source's node counts as gone for good. Nothing here changes
where the workload runs.
"""

from __future__ import annotations

from dataclasses import replace

from podferry.api.migration import CopyMode
from podferry.api.reasons import Condition, Reason
from podferry.controller.core import fencing
from podferry.controller.core.status import Draft, condition, is_true, seconds_since
from podferry.controller.core.view import Step, View

LATE_SECONDS = 15.0
"""Since the resume, and since the last answer of the source's agent."""


def tell(view: View, step: Step) -> Step:
    """The same step, with a condition that names the source's agent as missing, if it is late."""
    status = step.status
    resumed = condition(status, Condition.RESUMED)
    since = resumed.last_transition_time if resumed else ""
    late = seconds_since(since, view.now) > LATE_SECONDS
    silent = view.source_age_seconds > LATE_SECONDS
    if not late or not silent or is_true(status, Condition.SOURCE_RELEASED):
        return step
    end, target = status.source, status.target
    assert end is not None
    assert target is not None
    draft = Draft(replace(view.migration, status=status), view.now)
    draft.set(
        Condition.SOURCE_RELEASED,
        False,
        Reason.SOURCE_NOT_RELEASED,
        f"the workload runs on {target.node}; its frozen source on {end.node} still holds its"
        f" memory, and the agent there does not answer. Bring the agent back, it frees it; if the"
        f" node is off for good, give it the taint {fencing.OUT_OF_SERVICE}",
    )
    return replace(step, status=draft.value)


def node_is_gone(view: View) -> bool:
    """Whether the source's node was deleted, or a person said that it is off for good.

    PostCopy: not while the target still needs pages from it; that loss is told otherwise.
    """
    status = view.migration.status
    end, facts = status.source, (view.target.facts if view.target else {})
    assert end is not None
    if status.copy == CopyMode.POST_COPY.value and not facts.get("pagesDone"):
        return False
    node = view.nodes.get(end.node)
    return node is None or fencing.is_fenced(node)
