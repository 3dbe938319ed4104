"""kube-controller-manager: ReplicaSet, Job, StatefulSet, the garbage collector. Nothing else."""

from __future__ import annotations

from typing import Any

from .api import Api, ApiError, RawPod, condition
from .clock import Work

LOOP_SECONDS = 0.15
SELECTORS = {"ReplicaSet": "pod-template-hash", "Job": "controller-uid"}


def run(api: Api) -> Work:
    """Reconcile every owner, for ever; a refused creation is tried again later."""
    waits: dict[str, float] = {}
    while True:
        yield LOOP_SECONDS * (0.7 + 0.6 * api.sim.rng.random())
        if not api.reachable("manager"):
            continue
        _collect(api)
        for owner in list(api.owners.values()):
            uid = owner["metadata"]["uid"]
            if owner["metadata"].get("deletionTimestamp") or api.sim.now < waits.get(uid, 0.0):
                continue
            try:
                _reconcile(api, owner)
            except ApiError:
                waits[uid] = api.sim.now + 1.0 + api.sim.rng.random()


def reference(owner: dict[str, Any]) -> list[dict[str, Any]]:
    """The ownerReferences of a pod of this owner."""
    metadata = owner["metadata"]
    return [
        {
            "kind": owner["kind"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "controller": True,
        }
    ]


def owned_by(pod: RawPod, uid: str) -> bool:
    """Whether an owner holds this pod."""
    return any(item["uid"] == uid for item in pod["metadata"].get("ownerReferences") or [])


def _collect(api: Api) -> None:
    known = {owner["metadata"]["uid"] for owner in api.owners.values()}
    for pod in list(api.pods.values()):
        references = pod["metadata"].get("ownerReferences") or []
        gone = references and all(item["uid"] not in known for item in references)
        if (gone or api.namespace_ends) and not pod["metadata"].get("deletionTimestamp"):
            api.delete(pod["metadata"]["name"], pod["metadata"]["uid"], now=False)


def _reconcile(api: Api, owner: dict[str, Any]) -> None:
    uid, kind = owner["metadata"]["uid"], owner["kind"]
    if kind in SELECTORS:
        _adopt(api, owner)
    mine = [pod for pod in api.pods.values() if owned_by(pod, uid)]
    if kind == "Job":
        _judge_job(owner, mine)
        if owner["status"].get("conditions"):
            return
    active = [
        pod
        for pod in mine
        if not pod["metadata"].get("deletionTimestamp")
        and pod["status"].get("phase") not in ("Succeeded", "Failed")
    ]
    wanted = int(owner["spec"]["replicas"])
    if len(active) < wanted and (kind != "StatefulSet" or not mine):
        api.create(_new_pod(api, owner), own=False)
    elif len(active) > wanted:
        active.sort(key=_worth)
        pod = active[0]["metadata"]
        api.delete(pod["name"], pod["uid"], now=False)
        owner["deleted"] = owner.get("deleted", 0) + 1


def _adopt(api: Api, owner: dict[str, Any]) -> None:
    label, uid = SELECTORS[owner["kind"]], owner["metadata"]["uid"]
    for pod in api.pods.values():
        metadata = pod["metadata"]
        matches = metadata["labels"].get(label) == owner["spec"]["hash"]
        if matches and not metadata.get("ownerReferences"):
            if not metadata.get("deletionTimestamp"):
                metadata["ownerReferences"] = reference(owner)
                api.touch()
        elif not matches and owned_by(pod, uid):
            metadata["ownerReferences"] = []
            api.touch()


def _judge_job(owner: dict[str, Any], mine: list[RawPod]) -> None:
    phases = [pod["status"].get("phase") for pod in mine]
    ended = [pod["metadata"]["uid"] for pod in mine if pod["metadata"].get("deletionTimestamp")]
    failed = [
        pod["metadata"]["uid"] for pod in mine if pod["status"].get("phase") == "Failed"
    ] + ended
    counted = owner.setdefault("failed", [])
    counted.extend(uid for uid in failed if uid not in counted)
    if "Succeeded" in phases:
        owner["status"]["conditions"] = [{"type": "Complete", "status": "True"}]


def _worth(pod: RawPod) -> tuple[bool, bool, bool]:
    """Which goes first: not running, not ready, of low deletion cost."""
    running = pod["status"].get("phase") == "Running"
    cost = pod["metadata"]["annotations"].get("cost") == "high"
    return running, condition(pod, "Ready"), cost


def _new_pod(api: Api, owner: dict[str, Any]) -> RawPod:
    kind, spec = owner["kind"], owner["spec"]
    name = "app" if kind == "StatefulSet" else f"{owner['metadata']['name']}-{api.made + 1}"
    labels = {"app": "app", "podferry.dev/migratable": "true"}
    if kind in SELECTORS:
        labels[SELECTORS[kind]] = spec["hash"]
    if kind == "Job":
        labels["batch.kubernetes.io/controller-uid"] = spec["hash"]
    return {
        "metadata": {
            "name": name, "namespace": "ns", "labels": labels, "annotations": {},
            "ownerReferences": reference(owner),
        },
        "spec": {"containers": [{"name": "c"}],
                 "restartPolicy": "Never" if kind == "Job" else "Always"},
    }  # fmt: skip
