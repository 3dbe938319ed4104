"""The objects that a rescue asks the API server for. Pure: owns their names and contents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from podferry.api.migration import CopyMode, Migration
from podferry.api.rescue_policy import RescuePolicy
from podferry.policies.vocabulary import Command
from podferry.strategies.container.finding import RawPod
from podferry.wire import names

REQUESTED_BY = "rescue"
DEADLINE_SECONDS = 120
"""Until the decision of a rescue: later it would not help any more [s]."""
KEPT_SECONDS = 86400
"""A finished rescue is there to be looked at for a day [s]."""
_POD_NAME = 200
_NOTE_LIMIT = 1000


def migration(
    policy: RescuePolicy, command: Command, pod: RawPod, earlier: Iterable[Migration]
) -> dict[str, Any]:
    """Return the Migration that moves a pod.

    Its name comes from the pod's uid and the highest number of the tries before, so that two
    looks, or two leaders, at the same state ask for one object. Earlier tries may be deleted.
    """
    metadata = pod["metadata"]
    namespace, uid = str(metadata["namespace"]), str(metadata["uid"])
    spec: dict[str, Any] = {
        "workloadRef": {"kind": "Pod", "name": metadata["name"]},
        "targetNode": command.target,
        "deadlineSeconds": DEADLINE_SECONDS,
        "ttlSecondsAfterFinished": KEPT_SECONDS,
    }
    if policy.spec.copy is not CopyMode.AUTO:
        spec["copy"] = policy.spec.copy.value
    if policy.spec.max_freeze_seconds is not None:
        spec["maxFreezeSeconds"] = policy.spec.max_freeze_seconds
    if policy.spec.freeze_first:
        spec["freezeFirst"] = True
    return {
        "apiVersion": f"{names.GROUP}/{names.VERSION}",
        "kind": "Migration",
        "metadata": {
            "namespace": namespace,
            "name": _name(str(metadata["name"]), uid, namespace, earlier),
            "labels": {
                names.LABEL_RESCUE_POLICY: label(policy.name),
                # Who asks so keeps disruption budgets, see core/budgets.py.
                names.LABEL_REQUESTED_BY: REQUESTED_BY,
            },
            "annotations": {names.ANNOTATION_RESCUE: command.why[:_NOTE_LIMIT]},
        },
        "spec": spec,
    }


def eviction(pod: RawPod) -> dict[str, Any]:
    """Return the eviction of exactly this pod; the API server holds disruption budgets."""
    metadata = pod["metadata"]
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"namespace": metadata["namespace"], "name": metadata["name"]},
        "deleteOptions": {"preconditions": {"uid": metadata["uid"]}},
    }


def label(policy: str) -> str:
    """A policy's name as the value of a label, which takes 63 characters where names take 253."""
    if len(policy) <= 63:
        return policy
    return f"{policy[:50]}.{hashlib.sha256(policy.encode()).hexdigest()[:12]}"


def _name(pod: str, uid: str, namespace: str, earlier: Iterable[Migration]) -> str:
    base = f"rescue-{pod[:_POD_NAME].rstrip('.-')}-{uid[:8]}"
    last = 0
    for one in earlier:
        if one.namespace == namespace and (one.name == base or one.name.startswith(f"{base}-")):
            number = one.name[len(base) + 1 :]
            last = max(last, int(number) if number.isdecimal() else 1)
    return base if last == 0 else f"{base}-{last + 1}"
