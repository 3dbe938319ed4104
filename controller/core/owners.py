"""Which pod a request means, who owns it, and how that owner gives it up. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from podferry.api.errors import PreconditionError
from podferry.api.migration import Endpoint, OwnerRef, WorkloadKind
from podferry.api.reasons import Reason
from podferry.controller.core.view import View
from podferry.strategies.container import companions
from podferry.wire import names

RawPod = dict[str, Any]

DETACH_LABELS: dict[str, tuple[str, ...]] = {
    "ReplicaSet": ("pod-template-hash",),
    "Job": ("controller-uid", "batch.kubernetes.io/controller-uid"),
}
"""Labels by which an owner selects its pods and a Service does not."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The one pod behind a workloadRef."""

    pod: RawPod
    owner: OwnerRef | None
    endpoint: Endpoint


def resolve(view: View) -> Resolved:
    """Find the pod. Raises PreconditionError UnknownWorkload, AmbiguousWorkload, NotRunning."""
    reference = view.migration.spec.workload_ref
    where = f"{reference.kind.value} {view.migration.namespace}/{reference.name}"
    if reference.kind is WorkloadKind.POD:
        pod = view.pods.get(reference.name)
        if pod is None:
            raise PreconditionError(
                Reason.UNKNOWN_WORKLOAD,
                f"{where} does not exist; `kubectl -n {view.migration.namespace} get pods` lists"
                " what is there",
            )
    else:
        pod = _pod_of_owner(view, where)
    _check_template(pod, view.owner)
    return Resolved(pod, _owner(pod, view.owner), _endpoint(pod, view))


def _check_template(pod: RawPod, owner: dict[str, Any] | None) -> None:
    """Only a pod with the label meets our webhook, and any other would start as a second copy."""
    reference = controller_of(pod)
    template = ((owner or {}).get("spec") or {}).get("template")
    if not reference or template is None:
        return
    labels = (template.get("metadata") or {}).get("labels") or {}
    if labels.get(names.LABEL_MIGRATABLE) != "true":
        raise PreconditionError(
            Reason.NOT_OPTED_IN,
            f"the template of {reference['kind']} {reference['name']} lacks the label"
            f' {names.LABEL_MIGRATABLE}: "true": what it makes in place of pod'
            f" {pod['metadata']['name']} would start as a second copy; put the label there",
        )


def _pod_of_owner(view: View, where: str) -> RawPod:
    if view.owner is None:
        raise PreconditionError(Reason.UNKNOWN_WORKLOAD, f"{where} does not exist")
    uid = view.owner["metadata"]["uid"]
    mine = [
        pod
        for pod in view.pods.values()
        if controller_of(pod).get("uid") == uid
        and not pod["metadata"].get("deletionTimestamp")
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    ]
    if not mine:
        raise PreconditionError(
            Reason.NOT_RUNNING, f"{where} has no running pod; wait for one, or start it"
        )
    if len(mine) > 1:
        several = ", ".join(sorted(pod["metadata"]["name"] for pod in mine)[:5])
        raise PreconditionError(
            Reason.AMBIGUOUS_WORKLOAD,
            f"{where} has {len(mine)} pods ({several}); name the one to move as pod/NAME",
        )
    return mine[0]


def controller_of(pod: RawPod) -> dict[str, Any]:
    """The ownerReference of the pod's controller, empty if it has none."""
    for reference in pod["metadata"].get("ownerReferences") or []:
        if reference.get("controller"):
            return dict(reference)
    return {}


def _owner(pod: RawPod, raw: dict[str, Any] | None) -> OwnerRef | None:
    reference = controller_of(pod)
    if not reference:
        return None
    spec = (raw or {}).get("spec") or {}
    return OwnerRef(
        kind=str(reference["kind"]),
        name=str(reference["name"]),
        uid=str(reference["uid"]),
        generation=int(((raw or {}).get("metadata") or {}).get("generation") or 0),
        replicas=int(spec.get("replicas", spec.get("parallelism", 1)) or 0),
    )


def _endpoint(pod: RawPod, view: View) -> Endpoint:
    status = pod.get("status") or {}
    node = str((pod.get("spec") or {}).get("nodeName") or "")
    container = companions.moved(pod)
    said: dict[str, Any] = next(
        (x for x in status.get("containerStatuses") or [] if x.get("name") == container), {}
    )
    known = view.nodes.get(node)
    return Endpoint(
        node=node,
        address=known.address if known else "",
        pod=str(pod["metadata"]["name"]),
        uid=str(pod["metadata"]["uid"]),
        container=container,
        container_id=str(said.get("containerID") or ""),
        pod_ip=str(status.get("podIP") or ""),
        image=str(said.get("imageID") or ""),
    )


def owner_gave_up(owner: OwnerRef | None, raw: dict[str, Any] | None) -> str:
    """Why the owner no longer wants its pod, empty if it does."""
    if owner is None:
        return ""
    if raw is None or raw["metadata"]["uid"] != owner.uid:
        return f"{owner.kind} {owner.name} was deleted"
    if raw["metadata"].get("deletionTimestamp"):
        return f"{owner.kind} {owner.name} is being deleted"
    spec = raw.get("spec") or {}
    if owner.kind != "Job" and int(spec.get("replicas", 1) or 0) == 0:
        return f"{owner.kind} {owner.name} was scaled to 0"
    if owner.kind == "Job" and spec.get("suspend"):
        return f"Job {owner.name} was suspended"
    if owner.kind == "Job" and job_is_over(raw):
        return f"Job {owner.name} is {job_is_over(raw).lower()}"
    return ""


def job_is_over(raw: dict[str, Any]) -> str:
    """`Complete` or `Failed` of a Job that ended, else empty. It adopts no pod any more."""
    for item in (raw.get("status") or {}).get("conditions") or []:
        if item.get("type") in ("Complete", "Failed") and item.get("status") == "True":
            return str(item["type"])
    return ""
