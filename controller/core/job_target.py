"""A Job's target belongs to nobody while it may have to be given up. Pure.

The end of a pod that a Job owns counts as a failure, whoever caused it: with `backoffLimit: 0` the
reboot of a target's node would fail the Job, and end its source. So the labels by which the Job
owns it leave the target before the freeze and come back once it runs. The webhook refuses what the
Job wants to make meanwhile. Owns both moments; the way back is `rollback`'s.
"""

from __future__ import annotations

from podferry.api.migration import MigrationStatus
from podferry.controller.core import owners
from podferry.controller.core.actions import Action, DeletePod, DetachSource, ReattachSource
from podferry.controller.core.pods import RawPod, annotation, is_ending
from podferry.controller.core.view import View
from podferry.wire import names

LABELS = owners.DETACH_LABELS["Job"]


def let_go(view: View, status: MigrationStatus) -> tuple[Action, ...]:
    """Before the freeze: nothing that happens to the target counts for its Job. Else empty."""
    pod = _target(view, status)
    if pod is None or not any(name in (pod["metadata"].get("labels") or {}) for name in LABELS):
        return ()
    metadata = pod["metadata"]
    return (DetachSource(metadata["namespace"], metadata["name"], metadata["uid"], LABELS),)


def give_back(view: View, status: MigrationStatus) -> tuple[Action, ...]:
    """Once it runs: to its Job, whose pod it is from now on. Empty when the Job has it.

    A Job that is gone or over adopts nothing; what its user wanted for it goes for the pod as well.
    Not for one that it had got already: `kubectl delete job --cascade=orphan` leaves it its user.
    """
    pod = _target(view, status)
    if pod is None or status.owner is None or is_ending(pod):
        return ()
    metadata = pod["metadata"]
    mine = owners.controller_of(pod).get("uid") == status.owner.uid
    owner = view.owner
    over = owner is None or owner["metadata"]["uid"] != status.owner.uid
    over = over or (owner is not None and bool(owners.job_is_over(owner)))
    if not annotation(pod, names.ANNOTATION_DETACHED) and (mine or over):
        return ()
    if over:
        return (DeletePod(metadata["namespace"], metadata["name"], metadata["uid"]),)
    labels = dict(status.detached_labels or {})
    return (ReattachSource(metadata["namespace"], metadata["name"], metadata["uid"], labels),)


def _target(view: View, status: MigrationStatus) -> RawPod | None:
    """The target's pod of a Job's move, None of any other."""
    if status.owner is None or status.owner.kind != "Job" or status.target is None:
        return None
    pod = view.pods.get(status.target.pod)
    return pod if pod is not None and pod["metadata"]["uid"] == status.target.uid else None
