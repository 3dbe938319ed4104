"""Taking a commit back when the target is proven never to have run (protocol item 7). Pure.

Owns the only second decision there is. Never reverts on silence: an agent attests, or a person
fenced the node with Kubernetes' own `out-of-service` taint.
"""

from __future__ import annotations

from podferry.api.migration import keeps_name
from podferry.controller.core import fencing, orders, owners, pages_lost, pods, rollback
from podferry.controller.core.view import Step, View
from podferry.wire.stages import TargetStage

FRESH_SECONDS = 1.0
"""Both answers must be younger than this."""
POLL_SECONDS = 0.1


def step(view: View) -> Step | None:
    """The next step towards a revert of a committed, not resumed Migration; None for none.

    A pod that keeps its name has no way back, for its source object is gone by now, unless its
    user gave it up: then the frozen source wakes up only to be told to end.
    """
    status = view.migration.status
    if keeps_name(status.owner) and not given_up(view):
        return None
    if not _source_waits(view):
        return None
    if _fenced(view):
        return rollback.revert(
            view,
            f"{_target_node(view)} is fenced ({fencing.OUT_OF_SERVICE}) and never confirmed a"
            " resume",
        )
    if view.target is None or view.target_age_seconds >= FRESH_SECONDS:
        return None
    if view.target.stage == TargetStage.DISARMED.value:
        return rollback.revert(
            view, f"the target on {_target_node(view)} ended before it was resumed; it never ran"
        )
    facts = view.target.facts
    unfit = pages_lost.lost(view) and facts.get("mayHaveRun") is False
    if unfit or (facts.get("neverRan") is True and facts.get("alive") is False):
        return Step(status, (orders.target(view, status, TargetStage.DISARMED),), POLL_SECONDS)
    return None


def given_up(view: View) -> bool:
    """Whether nobody will make the pod in which the workload would go on, by its user's wish.

    The Migration itself must be deleted as well, as a namespace that goes does it: an owner alone
    may be made again, and the memory is kept for it.
    """
    migration, status = view.migration, view.migration.status
    found = pods.find(view.pods, migration.uid, status.attempt, pods.ROLE_FINAL)
    if not migration.deletion_requested or (found and not pods.is_ending(found)):
        return False
    if status.owner is not None:
        return bool(owners.owner_gave_up(status.owner, view.owner))
    # A bare pod is made by us, from its rehearsal.
    return pods.find(view.pods, migration.uid, status.attempt, pods.ROLE_REHEARSAL) is None


def _source_waits(view: View) -> bool:
    """Whether the source is there to go back to: frozen and alive, by an answer of just now."""
    facts = view.source.facts if view.source else {}
    fresh = view.source_age_seconds < FRESH_SECONDS
    return fresh and facts.get("alive") is True and facts.get("frozen") is True


def _fenced(view: View) -> bool:
    node = view.nodes.get(_target_node(view))
    return node is not None and fencing.is_fenced(node)


def _target_node(view: View) -> str:
    target = view.migration.status.target
    return target.node if target else ""
