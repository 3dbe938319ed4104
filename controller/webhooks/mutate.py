"""What happens to a pod at its creation. Pure: pod, requester and Migrations in, verdict out.

Owns the rule by which exactly one new pod becomes the target of a move, and no other pod of that
owner starts while the move is between detach and end (invariant I1). It never talks to anyone:
a `Plan` with `claim` set is a proposal that holds only once the claim was written by
compare-and-swap (see `handler`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from podferry.api.migration import Decision, Migration
from podferry.api.reasons import TERMINAL, Phase
from podferry.controller.core import restored
from podferry.controller.core.pods import ROLE_FINAL, ROLE_REPLACEMENT, pin_to_node
from podferry.strategies.container.hook_checks import restore_note
from podferry.wire import names

RESTORE_PREFIX = "podferry.dev/restore"
RETRY_CODE = 429
"""HTTP code of a refusal that the owner's controller should simply try again."""

JsonPatch = tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A verdict on one pod. `claim`: the Migration whose claim must be won first."""

    allowed: bool
    message: str = ""
    code: int = 403
    claim: Migration | None = None
    role: str = ""
    verdict: str = "plain"
    warnings: tuple[str, ...] = field(default=())


def refuse(message: str, *, code: int = 403, verdict: str = "denied") -> Plan:
    """Return a refusal."""
    return Plan(allowed=False, message=message, code=code, verdict=verdict)


def restore_annotations(pod: dict[str, Any]) -> list[str]:
    """Return the names of our restore annotations that the pod carries."""
    annotations = pod["metadata"].get("annotations") or {}
    ours = (RESTORE_PREFIX, names.ANNOTATION_CLAIM)
    return sorted(name for name in annotations if name.startswith(ours))


def judge(pod: dict[str, Any], migrations: Iterable[Migration], *, by_controller: bool) -> Plan:
    """Say what should happen to a new pod that opted in.

    Args:
        pod: the raw pod as it would be created.
        migrations: all Migrations of its namespace, read from the quorum.
        by_controller: the requester is podferry's own controller.
    """
    runtime = pod["spec"].get("runtimeClassName")
    if runtime and runtime != names.RUNTIME_CLASS:
        return refuse(
            f"the label {names.LABEL_MIGRATABLE} asks for the RuntimeClass {names.RUNTIME_CLASS}, "
            f"but the pod sets runtimeClassName {runtime}: take one of them away"
        )
    carried = restore_annotations(pod)
    if by_controller:
        return Plan(allowed=True, verdict="own")
    if carried:
        return refuse(
            f"{', '.join(carried)} may be set by podferry's controller only: "
            "take it off the pod (to move a pod, create a Migration)"
        )
    for migration in migrations:
        if not _over(migration) and _concerns(pod, migration):
            return _of_a_moving_owner(pod, migration)
    return Plan(allowed=True)


def _of_a_moving_owner(pod: dict[str, Any], migration: Migration) -> Plan:
    status = migration.status
    what = f"Migration {migration.namespace}/{migration.name} (attempt {status.attempt})"
    retry = "owner is being moved, retried by its controller"
    if status.target is None or not status.target.node:
        return refuse(f"{retry}: {what} has no target yet", code=RETRY_CODE, verdict="held")
    if _same_name(pod, migration):
        if status.decision is not Decision.COMMITTED:
            return refuse(f"{retry}: {what} is not decided", code=RETRY_CODE, verdict="held")
        # The API server allows one pod of this name, so a later claim replaces an earlier one.
        return Plan(allowed=True, claim=migration, role=ROLE_FINAL, verdict="claimed")
    if status.decision in (Decision.ROLLED_BACK, Decision.REVERTED):
        return refuse(f"{retry}: {what} is rolling back", code=RETRY_CODE, verdict="held")
    if status.claim is not None and status.claim.attempt >= status.attempt:
        return refuse(f"{retry}: {what} has its target", code=RETRY_CODE, verdict="held")
    if status.decision is Decision.COMMITTED:
        return refuse(f"{retry}: {what} is committed", code=RETRY_CODE, verdict="held")
    return Plan(allowed=True, claim=migration, role=ROLE_REPLACEMENT, verdict="claimed")


def _over(migration: Migration) -> bool:
    return migration.status.phase in {phase.value for phase in Phase if phase in TERMINAL}


def _concerns(pod: dict[str, Any], migration: Migration) -> bool:
    """Whether this pod could be a second copy of what is being moved."""
    status = migration.status
    if _same_name(pod, migration):
        return True
    owner = controller_of(pod)
    if owner is None or status.owner is None or owner.get("uid") != status.owner.uid:
        return False
    if status.owner.kind == "StatefulSet":
        return False  # another ordinal, another identity
    # Until the source is detached, a new pod of this owner is an ordinary further replica.
    return status.source_detached or status.detached_labels is not None


def _same_name(pod: dict[str, Any], migration: Migration) -> bool:
    source = migration.status.source
    return bool(source and source.pod and pod["metadata"].get("name") == source.pod)


def controller_of(pod: dict[str, Any]) -> dict[str, Any] | None:
    """Return the ownerReference of the pod's controller, None if it has none."""
    for reference in pod["metadata"].get("ownerReferences") or []:
        if reference.get("controller"):
            return dict(reference)
    return None


def patched(pod: dict[str, Any], plan: Plan, token: str) -> dict[str, Any]:
    """Return the pod as it should be created; the argument stays as it is."""
    new = copy.deepcopy(pod)
    new["spec"].setdefault("runtimeClassName", names.RUNTIME_CLASS)
    if not new["spec"]["runtimeClassName"]:
        new["spec"]["runtimeClassName"] = names.RUNTIME_CLASS
    if plan.claim is None:
        return new
    status = plan.claim.status
    assert status.target is not None
    annotations = new["metadata"].setdefault("annotations", {})
    annotations[names.ANNOTATION_RESTORE] = f"{plan.claim.uid}.{status.attempt}"
    annotations[names.ANNOTATION_RESTORE_ROLE] = plan.role
    if status.source is not None and status.source.container:
        annotations[names.ANNOTATION_RESTORE_CONTAINER] = status.source.container
    if hooks := restore_note(new["spec"]):
        annotations[names.ANNOTATION_RESTORE_HOOKS] = hooks
    annotations[names.ANNOTATION_CLAIM] = token
    annotations[names.ANNOTATION_MIGRATION] = plan.claim.uid
    pin_to_node(new["spec"], status.target.node)
    # A kept name was rehearsed on this node; a replacement is the first to need the image there.
    restored.adapt(new["spec"], pulled=plan.role == ROLE_FINAL)
    if status.source is not None:
        restored.pin_image(new["spec"], status.source.container, status.source.image)
    gates = new["spec"].setdefault("readinessGates", [])
    if not any(gate.get("conditionType") == names.READINESS_GATE for gate in gates):
        gates.append({"conditionType": names.READINESS_GATE})
    return new


def json_patch(old: dict[str, Any], new: dict[str, Any]) -> JsonPatch:
    """Return the operations that turn `old` into `new`, for the fields that `patched` touches."""
    operations: list[dict[str, Any]] = []
    for parent, name in (
        ("metadata", "annotations"),
        ("spec", "runtimeClassName"),
        ("spec", "affinity"),
        ("spec", "readinessGates"),
        ("spec", "containers"),
        ("spec", "initContainers"),
    ):
        before, after = old[parent].get(name), new[parent].get(name)
        if before != after:
            verb = "replace" if name in old[parent] else "add"
            operations.append({"op": verb, "path": f"/{parent}/{name}", "value": after})
    return tuple(operations)
