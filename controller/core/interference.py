"""What somebody did to the source, or wants of it, since the request was accepted. Pure.

Owns reasons to turn back that lie in the source pod and its namespace. Never looks at agents.
"""

from __future__ import annotations

from typing import Any

from podferry.api.migration import keeps_name
from podferry.api.reasons import Reason
from podferry.controller.core import pods
from podferry.controller.core.view import View
from podferry.strategies.container import preflight

Trouble = tuple[Reason, str]


def find(view: View, pod: dict[str, Any]) -> Trouble | None:
    """Why not to go on with this source pod; None if nothing stands against.

    Args:
        view: of an undecided Migration.
        pod: its raw source pod.
    """
    return _unwanted(view, pod) or _joined(pod) or _resized(view, pod)


def _unwanted(view: View, pod: dict[str, Any]) -> Trouble | None:
    """Excluded after it was accepted. Once it is frozen, going on is the shorter pause."""
    if view.migration.status.freeze_epoch > 0:
        return None
    asked = [*preflight.check_namespace(view.namespace), *preflight.check_pod(pod)]
    found = [item for item in asked if item.reason is Reason.EXCLUDED]
    return (found[0].reason, found[0].message) if found else None


def _joined(pod: dict[str, Any]) -> Trouble | None:
    """A debug container: it would end with the source, and hold its process tree open."""
    names = [str(one.get("name")) for one in pod["spec"].get("ephemeralContainers") or []]
    if not names:
        return None
    return Reason.SOURCE_CHANGED, (
        f"the debug container {names[0]} was added to pod {pod['metadata']['name']} during the"
        " move; it cannot be moved with it: ask again with a pod that has none"
    )


def _resized(view: View, pod: dict[str, Any]) -> Trouble | None:
    """A pod that keeps its name is made again from its rehearsal, which has the former size."""
    status = view.migration.status
    if not keeps_name(status.owner):
        return None  # made from its owner's template, as at every other start
    proof = pods.find(view.pods, view.migration.uid, status.attempt, pods.ROLE_REHEARSAL)
    if proof is None or _sizes(proof) == _sizes(pod):
        return None
    return Reason.SOURCE_CHANGED, (
        f"pod {pod['metadata']['name']} was resized during the move, which would undo that: ask"
        " for the move again"
    )


def _sizes(pod: dict[str, Any]) -> list[Any]:
    return [one.get("resources") or {} for one in pod["spec"].get("containers") or []]
