"""The wrapper's claims and answers for a target, and the facts made of them. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from podferry.agent import files, operations
from podferry.agent.engine import Side
from podferry.agent.node import Node
from podferry.wire.stages import TargetStage

ROLES = ("replacement", "rehearsal", "final")


@dataclass(frozen=True, slots=True)
class Claim:
    """A container that the wrapper holds, or held, in `create` for this attempt."""

    container_id: str
    pod_uid: str
    bundle: str
    held: bool


def role_of(side: Side) -> str:
    """Role whose container counts now."""
    if not side.params.get("sameName"):
        return "replacement"
    late = (TargetStage.RESUMED.value, TargetStage.FORGOTTEN.value)
    return "final" if side.order.stage in late else "rehearsal"


def read(node: Node, side: Side, role: str | None = None) -> Claim | None:
    """The claim of a role; `held` only if the claiming wrapper lives in this boot."""
    raw = files.read_json(f"{side.folder}/claim-{role or role_of(side)}.json")
    if raw is None:
        return None
    held = raw.get("bootID") == node.boot_id() and node.alive(int(raw.get("wrapperPID", 0)))
    return Claim(str(raw["containerID"]), str(raw["podUID"]), str(raw["bundle"]), held)


def answer(side: Side, kind: str, role: str) -> dict[str, Any] | None:
    """`restored` or `failed` of a role, None if the wrapper has not said so."""
    return files.read_json(f"{side.folder}/{kind}-{role}.json")


def restored(side: Side, claim: Claim, role: str) -> dict[str, Any] | None:
    """The wrapper's word that it restored just the claimed container."""
    said = answer(side, "restored", role)
    return said if said and said.get("containerID") == claim.container_id else None


def container_ids(side: Side, roles: tuple[str, ...] = ROLES) -> list[str]:
    """The container IDs that these roles of this attempt claimed last."""
    found = []
    for role in roles:
        raw = files.read_json(f"{side.folder}/claim-{role}.json")
        if raw is not None:
            found.append(str(raw["containerID"]))
    return found


def tasks(node: Node, side: Side) -> int:
    """How many tasks the containers that this attempt claimed have in all."""
    groups = [operations.cgroup_of(node.host, item) for item in container_ids(side)]
    return sum(len(group.pids()) for group in groups)


def facts(node: Node, side: Side) -> dict[str, Any]:
    """claimed, claimPodUID, containerID, neverRan, alive."""
    claim = read(node, side)
    identity = str(side.facts.get("containerID") or (claim.container_id if claim else ""))
    marked = side.has("RESUMING", "RESUMED")
    tasks = {item: operations.cgroup_of(node.host, item).pids() for item in container_ids(side)}
    done = claim is not None and restored(side, claim, role_of(side)) is not None
    live: dict[str, Any] = {
        "claimed": claim is not None and (claim.held or done),
        "neverRan": not marked and not any(tasks.values()),
        "alive": bool(tasks.get(identity)),
    }
    if claim is not None:
        live |= {"claimPodUID": claim.pod_uid, "containerID": claim.container_id}
    return live
