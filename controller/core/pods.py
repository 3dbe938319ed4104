"""The pods that we make ourselves: a rehearsal, and a bare pod under its own name. Pure."""

from __future__ import annotations

import copy
import json
from typing import Any

from podferry.api.migration import Endpoint
from podferry.controller.core import restored
from podferry.strategies.container.hook_checks import restore_note
from podferry.wire import names

RawPod = dict[str, Any]
REHEARSAL_LABEL = "podferry.dev/rehearsal"
ANNOTATION_SOURCE = "podferry.dev/source"
"""On a rehearsal: JSON of what the source had and it has not, so that the bare pod can be made
again from it when the source object is gone already."""
ROLE_REPLACEMENT = "replacement"
ROLE_REHEARSAL = "rehearsal"
ROLE_FINAL = "final"


def restore_key(uid: str, attempt: int) -> str:
    """Value of the restore annotation."""
    return f"{uid}.{attempt}"


def find(pods: dict[str, RawPod], uid: str, attempt: int, role: str) -> RawPod | None:
    """The pod of this attempt and role, the living one of several."""
    found = [
        pod
        for pod in pods.values()
        if annotation(pod, names.ANNOTATION_RESTORE) == restore_key(uid, attempt)
        and (annotation(pod, names.ANNOTATION_RESTORE_ROLE) or ROLE_REPLACEMENT) == role
    ]
    found.sort(key=lambda pod: bool(pod["metadata"].get("deletionTimestamp")))
    return found[0] if found else None


def is_ending(pod: RawPod) -> bool:
    """Whether somebody deleted it already."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def annotation(pod: RawPod, name: str) -> str:
    """An annotation of a pod, empty if it has none."""
    return str((pod["metadata"].get("annotations") or {}).get(name) or "")


def rehearsal_name(source: str, uid: str) -> str:
    """A pod name that cannot meet the owner's own names; 253 characters at most."""
    return f"{source[:230]}-rehearsal-{uid[:5]}"


def rehearsal(source: RawPod, end: Endpoint, *, uid: str, attempt: int, node: str) -> RawPod:
    """A pod like the source that no Service and no owner selects, pinned to the target.

    `end`: the source as the Migration's status has it. The image is pinned here and for good: the
    final pod is made from this one.
    """
    metadata = source["metadata"]
    spec = copy.deepcopy(source["spec"])
    restored.pin_image(spec, end.container, end.image)
    kept = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if not key.startswith("podferry.dev/") and key not in restored.PER_SANDBOX
    }
    spread = _take_spread(spec)
    had = {
        "spread": spread,
        "name": metadata["name"],
        "labels": metadata.get("labels") or {},
        "annotations": kept,
        "restartPolicy": spec.get("restartPolicy", "Always"),
    }
    pod = _base(spec, uid=uid, attempt=attempt, role=ROLE_REHEARSAL, node=node)
    pod["metadata"]["namespace"] = metadata["namespace"]
    pod["metadata"]["name"] = rehearsal_name(metadata["name"], uid)
    pod["metadata"]["labels"] = {names.LABEL_MIGRATABLE: "true", REHEARSAL_LABEL: uid}
    pod["metadata"]["annotations"][ANNOTATION_SOURCE] = json.dumps(had, sort_keys=True)
    pod["spec"]["restartPolicy"] = "Never"
    return pod


def final(proven: RawPod, *, uid: str, attempt: int, node: str) -> RawPod:
    """The bare pod again, under its own name, made from its rehearsal and pinned to the target."""
    had = json.loads(annotation(proven, ANNOTATION_SOURCE))
    spec = copy.deepcopy(proven["spec"])
    pod = _base(spec, uid=uid, attempt=attempt, role=ROLE_FINAL, node=node)
    pod["metadata"]["namespace"] = proven["metadata"]["namespace"]
    pod["metadata"]["name"] = had["name"]
    pod["metadata"]["labels"] = had["labels"]
    pod["metadata"]["annotations"] = {**had["annotations"], **pod["metadata"]["annotations"]}
    pod["spec"]["restartPolicy"] = had["restartPolicy"]
    _give_spread(pod["spec"], had.get("spread") or {})
    restored.adapt(pod["spec"], pulled=True)
    gates = pod["spec"].setdefault("readinessGates", [])
    if not any(gate.get("conditionType") == names.READINESS_GATE for gate in gates):
        gates.append({"conditionType": names.READINESS_GATE})
    return pod


def _take_spread(spec: dict[str, Any]) -> dict[str, Any]:
    """Take off what places a pod by other pods; a rehearsal stands beside the source itself.

    The target was judged without the source, as it will be when the pod is placed for good.
    """
    affinity = spec.get("affinity") or {}
    kinds = ("podAffinity", "podAntiAffinity")
    taken = {kind: affinity.pop(kind) for kind in kinds if kind in affinity}
    rules = spec.pop("topologySpreadConstraints", None)
    return {"affinity": taken, "rules": rules} if taken or rules else {}


def _give_spread(spec: dict[str, Any], taken: dict[str, Any]) -> None:
    """The inverse of `_take_spread`."""
    spec["affinity"] = {**(spec.get("affinity") or {}), **(taken.get("affinity") or {})}
    if taken.get("rules"):
        spec["topologySpreadConstraints"] = taken["rules"]


def _base(spec: dict[str, Any], *, uid: str, attempt: int, role: str, node: str) -> RawPod:
    for name in ("nodeName", "ephemeralContainers"):
        spec.pop(name, None)
    pin_to_node(spec, node)
    hooks = restore_note(spec)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "annotations": {
                names.ANNOTATION_RESTORE: restore_key(uid, attempt),
                names.ANNOTATION_RESTORE_ROLE: role,
                names.ANNOTATION_RESTORE_CONTAINER: spec["containers"][0]["name"],
                names.ANNOTATION_MIGRATION: uid,
                **({names.ANNOTATION_RESTORE_HOOKS: hooks} if hooks else {}),
            },
        },
        "spec": spec,
    }


def pin_to_node(spec: dict[str, Any], node: str) -> None:
    """Require `node` in place of an earlier pin of ours, besides all else that the pod requires.

    A moved pod carries the pin of its last move; it must not contradict the new one.
    """
    affinity = spec.get("affinity") or {}
    spec["affinity"] = affinity
    of_node = affinity.get("nodeAffinity") or {}
    affinity["nodeAffinity"] = of_node
    key = "requiredDuringSchedulingIgnoredDuringExecution"
    required = of_node.get(key) or {}
    of_node[key] = required
    terms = required.get("nodeSelectorTerms") or [{}]
    required["nodeSelectorTerms"] = terms
    pin = {"key": "metadata.name", "operator": "In", "values": [node]}
    # Terms are alternatives, so each of them must name the node.
    for term in terms:
        fields = [item for item in term.get("matchFields") or [] if item["key"] != "metadata.name"]
        term["matchFields"] = [*fields, pin]
