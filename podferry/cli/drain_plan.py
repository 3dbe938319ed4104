"""What a drain of a node would do with each of its pods. Pure: objects in, one plan out.

Owns the sorting: moved, being moved already, staying (with the reason), leaving by itself, not to
be drained at all. What may be moved is the strategy's own verdict, as `podferry probe` gives it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from podferry.api.reasons import Reason
from podferry.cli import follow, probe
from podferry.controller.core.view import NodeView
from podferry.wire import names

Object = dict[str, Any]
MIRROR = "kubernetes.io/config.mirror"

OF_THE_POD = frozenset({
    Reason.NOT_SUPPORTED_YET, Reason.OWNER_NOT_SUPPORTED, Reason.NOT_OPTED_IN, Reason.HOST_NETWORK,
    Reason.HOST_NAMESPACES, Reason.HOST_PATH, Reason.TERMINAL_ATTACHED, Reason.DEVICES,
    Reason.SHARED_PROCESS_NAMESPACE, Reason.PERSISTENT_VOLUME, Reason.SEVERAL_CONTAINERS,
    Reason.INIT_CONTAINERS, Reason.LIFECYCLE_HOOK, Reason.IO_URING, Reason.MPTCP,
    Reason.UNSUPPORTED_RESOURCE, Reason.LIVENESS_TOO_SHORT, Reason.HOLD_TOO_LONG,
})  # fmt: skip
"""Reasons that lie in the pod and do not pass: trying again is of no use. An agent that is away or
a cluster without room is none of them, and no ground to throw memory away."""


class Fate(StrEnum):
    """What becomes of a pod."""

    MOVE = "move"
    MOVING = "moving"
    STAYS = "stays"
    LEAVING = "leaving"
    ARRIVING = "arriving"


@dataclass(frozen=True, slots=True)
class Item:
    """One pod of the node."""

    namespace: str
    pod: str
    uid: str
    fate: Fate
    reason: str = ""
    message: str = ""
    targets: tuple[str, ...] = ()
    migration: str = ""
    owned: bool = False
    """Whether an owner makes another one once it is evicted."""

    @property
    def evictable(self) -> bool:
        """Can never be moved as it is, and comes again elsewhere."""
        return self.fate is Fate.STAYS and self.owned and self.reason in OF_THE_POD


@dataclass(frozen=True, slots=True)
class Plan:
    """All pods of the node."""

    items: tuple[Item, ...] = ()
    daemon_sets: int = 0
    static: int = 0
    ended: int = 0

    def of(self, *fates: Fate) -> tuple[Item, ...]:
        """The pods with one of these fates."""
        return tuple(item for item in self.items if item.fate in fates)


def plan(pods: Iterable[Object], migrations: Iterable[Object], nodes: dict[str, NodeView]) -> Plan:
    """Sort the pods of one node.

    Args:
        pods: raw pods of the node.
        migrations: raw Migrations of all namespaces.
        nodes: all nodes by name, with what their agents said.
    """
    going = [item for item in migrations if not follow.ended(item)]
    items = []
    counts = {"daemon_sets": 0, "static": 0, "ended": 0}
    for pod in pods:
        if ignored := _ignored(pod):
            counts[ignored] += 1
        else:
            items.append(_item(pod, going, nodes))
    items.sort(key=lambda item: (item.namespace, item.pod))
    return Plan(tuple(items), **counts)


def _ignored(pod: Object) -> str:
    metadata = pod["metadata"]
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return "ended"
    if MIRROR in (metadata.get("annotations") or {}):
        return "static"
    owner = _owner(pod)
    return "daemon_sets" if owner and owner.get("kind") == "DaemonSet" else ""


def _owner(pod: Object) -> Object | None:
    references = pod["metadata"].get("ownerReferences") or []
    return next((one for one in references if one.get("controller")), None)


def _item(pod: Object, going: list[Object], nodes: dict[str, NodeView]) -> Item:
    metadata = pod["metadata"]
    namespace, name, uid = metadata["namespace"], metadata["name"], metadata["uid"]
    owned = _owner(pod) is not None
    if (migration := _mover(namespace, name, uid, going)) is not None:
        return Item(namespace, name, uid, Fate.MOVING, migration=migration, owned=owned)
    if _arrives(pod, going):
        return Item(namespace, name, uid, Fate.ARRIVING, owned=owned)
    if metadata.get("deletionTimestamp"):
        return Item(namespace, name, uid, Fate.LEAVING, owned=owned)
    verdict = probe.verdict_of(f"pod/{name}", pod, nodes, None)
    if verdict.movable:
        return Item(namespace, name, uid, Fate.MOVE, targets=verdict.targets, owned=owned)
    reason, message = (
        Reason.NO_ELIGIBLE_TARGET.value,
        "no other node can take it: "
        + "; ".join(f"{node}: {why}" for node, why in verdict.refused if node != verdict.node),
    )
    if verdict.blockers:
        # What lies in the pod first: it says whether trying again is of any use.
        first = min(verdict.blockers, key=lambda finding: finding.reason not in OF_THE_POD)
        reason, message = first.reason.value, first.message
    return Item(namespace, name, uid, Fate.STAYS, reason, message, owned=owned)


def _arrives(pod: Object, going: list[Object]) -> bool:
    """The target of a move onto this node that began before it was cordoned."""
    notes = pod["metadata"].get("annotations") or {}
    uid = str(notes.get(names.ANNOTATION_RESTORE, "")).partition(".")[0]
    return any(migration["metadata"].get("uid") == uid for migration in going)


def _mover(namespace: str, name: str, uid: str, going: list[Object]) -> str | None:
    """The Migration that moves this pod already, whoever asked for it."""
    for migration in going:
        if migration["metadata"]["namespace"] != namespace:
            continue
        source = (migration.get("status") or {}).get("source")
        ref = (migration.get("spec") or {}).get("workloadRef") or {}
        if source is not None:
            if source.get("uid") == uid:
                return str(migration["metadata"]["name"])
        elif (ref.get("kind"), ref.get("name")) == ("Pod", name):
            return str(migration["metadata"]["name"])
    return None
