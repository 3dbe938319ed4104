"""From the resume to the end of the source's pod: who answers new connections meanwhile. Pure.

The frozen source's pod forwards new connections to the target until Kubernetes routes there by
itself. Owns how long the source's tasks and then its pod wait for that. Both waits are bounded:
the workload runs already, and only the way of new connections depends on them.
"""

from __future__ import annotations

from podferry.api.reasons import Condition
from podferry.controller.core import orders
from podferry.controller.core.pods import RawPod
from podferry.controller.core.status import condition, seconds_since
from podferry.controller.core.view import View
from podferry.wire import names

READY_SECONDS = 5.0
"""The longest that the source's memory is kept for a target that is not Ready: kubelet needs up to
1 s to see it run and as much for its status; a pod that takes longer has a slow readiness probe."""
ROUTES_SECONDS = orders.FORWARD_SECONDS + 0.5
"""From the end of the source's tasks to that of its pod, which by then takes no connection."""
LATE_SECONDS = 10.0
"""After that the source's pod goes even if the target's agent does not answer."""
POLL_SECONDS = 0.25
"""A change of the target's pod wakes us anyway."""
_PRESSURE = "node.kubernetes.io/memory-pressure"


def forwards(view: View) -> bool:
    """Whether the source forwards; so we assume where its agent cannot be asked."""
    return view.source is None or bool(view.source.facts.get("forwardedTo"))


def release_due(view: View) -> bool:
    """Whether the source's tasks may end: the target is Ready, or waiting makes no sense."""
    end, target = view.migration.status.source, view.migration.status.target
    assert end is not None
    assert target is not None
    source = view.pods.get(end.pod)
    if source is None or source["metadata"]["uid"] != end.uid:
        return True
    successor = view.pods.get(target.pod)
    if successor is None or is_true(successor, "Ready") or not forwards(view):
        return True
    node = view.nodes.get(end.node)
    if node is not None and any(taint.get("key") == _PRESSURE for taint in node.taints):
        return True
    ending = bool(source["metadata"].get("deletionTimestamp"))
    return ending or _seconds_since(view, Condition.RESUMED) >= READY_SECONDS


def seconds_to_deletion(view: View) -> float:
    """How long the source's pod must still forward; 0: it may be deleted."""
    if not forwards(view):
        return 0.0
    return max(0.0, ROUTES_SECONDS - _seconds_since(view, Condition.SOURCE_RELEASED))


def is_late(view: View) -> bool:
    """Whether the source's pod waits for nobody any more."""
    return _seconds_since(view, Condition.SOURCE_RELEASED) >= LATE_SECONDS


def is_marked(view: View) -> bool:
    """Whether the target's pod carries our readiness gate."""
    target = view.migration.status.target
    pod = view.pods.get(target.pod) if target else None
    return pod is not None and is_true(pod, names.READINESS_GATE)


def is_true(pod: RawPod, kind: str) -> bool:
    """Whether a condition of a pod is True."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(item.get("type") == kind and item.get("status") == "True" for item in conditions)


def _seconds_since(view: View, kind: Condition) -> float:
    """Seconds since a condition of the Migration changed, by the controller's clock alone."""
    found = condition(view.migration.status, kind)
    return seconds_since(found.last_transition_time if found else "", view.now)
