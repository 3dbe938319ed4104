"""Finds the one pod that a workload means, by reading the API server. Changes nothing."""

from __future__ import annotations

from typing import Any

from podferry.api.errors import PreconditionError
from podferry.api.migration import WorkloadKind, WorkloadRef
from podferry.api.reasons import Reason
from podferry.cli import values
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient

Object = dict[str, Any]
OVER = ("Succeeded", "Failed")


async def pod_of(client: ApiClient, namespace: str, ref: WorkloadRef) -> Object:
    """Return the workload's one living pod.

    Raises:
        PreconditionError: no such workload, no living pod, or several.
        ApiError: the server refused or did not answer.
    """
    if ref.kind is WorkloadKind.VIRTUAL_MACHINE_INSTANCE:
        raise PreconditionError(
            Reason.NOT_SUPPORTED_YET, "virtual machines cannot be probed yet; name a pod"
        )
    try:
        if ref.kind is WorkloadKind.POD:
            return await client.get(paths.pods(namespace, ref.name))
        owner = await client.get(_PATHS[ref.kind](namespace, ref.name))
    except errors.NotFound as error:
        raise PreconditionError(
            Reason.UNKNOWN_WORKLOAD,
            f"there is no {values.label(ref)} in namespace {namespace}; see kubectl get pods",
        ) from error
    owners = {str(owner["metadata"]["uid"])}
    if ref.kind is WorkloadKind.DEPLOYMENT:
        sets = await client.list(paths.replicasets(namespace))
        owners = {str(one["metadata"]["uid"]) for one in sets["items"] if _owned_by(one, owners)}
    pods = [
        pod
        for pod in (await client.list(paths.pods(namespace)))["items"]
        if _owned_by(pod, owners) and _living(pod)
    ]
    if len(pods) == 1:
        return dict(pods[0])
    names = ", ".join(sorted(str(pod["metadata"]["name"]) for pod in pods)) or "none"
    raise PreconditionError(
        Reason.AMBIGUOUS_WORKLOAD if pods else Reason.NOT_RUNNING,
        f"{values.label(ref)} has {len(pods)} living pods ({names}), one is needed; "
        + ("name the pod: podferry probe pod/NAME" if pods else "start it first"),
    )


_PATHS = {
    WorkloadKind.DEPLOYMENT: paths.deployments,
    WorkloadKind.STATEFUL_SET: paths.statefulsets,
    WorkloadKind.JOB: paths.jobs,
}


def _owned_by(obj: Object, uids: set[str]) -> bool:
    references = obj["metadata"].get("ownerReferences") or []
    return any(ref.get("controller") and ref.get("uid") in uids for ref in references)


def _living(pod: Object) -> bool:
    ended = (pod.get("status") or {}).get("phase") in OVER
    return not ended and not pod["metadata"].get("deletionTimestamp")
