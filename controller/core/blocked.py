"""Why the target's pod does not come, in the words of whoever stands in its way. Pure.

Owns which of those words are final enough to turn back for. What may pass by itself (a webhook that
is restarting, a preemption that is under way) is waited for.
"""

from __future__ import annotations

from typing import Any

from podferry.api.reasons import Reason
from podferry.controller.core.pods import RawPod

PATIENCE_SECONDS = 10.0
"""So long after the start such words may still change: a quota is recounted, a pod ends [s]."""


def why(owner: dict[str, Any] | None, target: RawPod | None) -> tuple[Reason, str] | None:
    """Reason and message, None when nobody refused.

    Args:
        owner: raw owner of the source, which makes the target's pod.
        target: that pod, None while there is none.
    """
    return _refused(owner) if target is None else _unschedulable(target)


def _refused(owner: dict[str, Any] | None) -> tuple[Reason, str] | None:
    """The API server's considered no to the owner; a failed call of a webhook is none."""
    for item in ((owner or {}).get("status") or {}).get("conditions") or []:
        message = str(item.get("message") or "")
        failed = item.get("type") == "ReplicaFailure" and item.get("status") == "True"
        if failed and "is forbidden" in message:
            assert owner is not None
            quota = "exceeded quota" in message
            next_step = "make room in the quota, then ask again" if quota else "see its events"
            return (
                Reason.QUOTA_EXCEEDED if quota else Reason.TARGET_UNSCHEDULABLE,
                f"{owner.get('kind') or 'the owner'} {owner['metadata'].get('name', '')} may not"
                f" make the target's pod: {message}; {next_step}",
            )
    return None


def _unschedulable(target: RawPod) -> tuple[Reason, str] | None:
    status = target.get("status") or {}
    for item in status.get("conditions") or []:
        refused = item.get("type") == "PodScheduled" and item.get("status") == "False"
        if (
            refused
            and item.get("reason") == "Unschedulable"
            and not status.get("nominatedNodeName")
        ):
            return (
                Reason.TARGET_UNSCHEDULABLE,
                f"target pod {target['metadata']['name']} was not scheduled:"
                f" {item.get('message')}; make room on its node, or name another targetNode",
            )
    return None
