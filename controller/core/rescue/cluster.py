"""The cluster as the policies see it, from reports, nodes, pods and Migrations. Pure.

Owns what of a pod counts for a decision and what blocks it, and that a node that is not known takes
and gives nothing. Sizes are bytes, moments the controller's monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import is_
from typing import Any

from podferry.api.migration import Migration
from podferry.controller.core.requests import limit_bytes, requested_bytes
from podferry.controller.core.rescue.history import NodeHistory, Track
from podferry.controller.core.rescue.moves import Asked, Ledger, Place
from podferry.controller.core.rescue.raw_pods import RawPods
from podferry.controller.core.rescue.reports import Believed
from podferry.controller.core.rescue.shifts import Shift, undisturbed
from podferry.controller.core.status import parse
from podferry.controller.core.view import NodeView
from podferry.policies.vocabulary import MoveCost, Node, Pod, Pressure, Series, Snapshot
from podferry.strategies.container import pod_checks
from podferry.strategies.container.finding import RawPod

OTHERS = "pods that did not opt in"
"""Key of what stands for all of them on a node: their memory counts, nobody moves them."""
POD_SLOTS = 110
NOT_MEASURED = "its agent has not told its memory yet"
ENDS_LATE = timedelta(seconds=30)
"""A pod that is still there so long after its grace period may stay: its memory counts again."""
_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Traits:
    """What is read from the object of a pod once per version."""

    key: str
    request: float
    limit: float | None
    priority: int
    blocked: str
    gone_at: datetime | None = None
    """It is being deleted, and by then its grace period is over."""


@dataclass(frozen=True, slots=True)
class Known:
    """All that a look may use."""

    now: float
    wall: datetime
    nodes: Mapping[str, NodeView]
    believed: Mapping[str, Believed]
    """By node: the last report that counts."""
    doubts: Mapping[str, str]
    """By node: why it is unknown now; absent: it is known."""
    histories: Mapping[str, NodeHistory]
    pods: Mapping[str, tuple[RawPod, ...]]
    """Opted-in pods by node."""
    namespaces: Mapping[str, Mapping[str, Any]]
    """Raw namespaces by name."""
    migrations: tuple[Migration, ...]
    asked: tuple[Asked, ...] = ()
    cost: Callable[[RawPod, float], MoveCost] = field(
        default=lambda _pod, _size: MoveCost(0.0, 0.0)
    )
    """What moving a pod of that size is expected to take."""
    reluctant: Callable[[RawPod], str] = field(default=lambda _pod: "")
    """Why a pod is to be left alone if another one will do; empty: no reason."""

    raw: RawPods = field(default=RawPods({}), compare=False)
    """`pods` by key and namespace; made here, and kept where `replace` leaves the pods alone."""

    def __post_init__(self) -> None:
        """Index the pods, unless they are those of the index that was handed on."""
        if not self.raw.are(self.pods):
            object.__setattr__(self, "raw", RawPods(self.pods))

    def place(self, key: str) -> Place | None:
        """Return where a pod is, by `namespace/name`; None: it is not known.

        Asked for each Migration, so it must not go through the pods of the cluster.
        """
        raw = self.raw.get(key)
        if raw is None:
            return None
        uid, node = str(raw["metadata"]["uid"]), str((raw.get("spec") or {}).get("nodeName"))
        believed = self.believed.get(node)
        told = believed.report.pods if believed else ()
        size = next((pod.working_set for pod in told if pod.uid == uid), 0.0)
        return Place(uid, node, size)


class Book:
    """Traits of pods, read again only when their version changed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, Traits]] = {}
        self._nodes: dict[str, tuple[tuple[Any, ...], Node]] = {}
        self._namespaces: Mapping[str, Mapping[str, Any]] = {}

    def node(self, view: NodeView, known: Known, ledger: Ledger) -> Node:
        """Return the node as policies see it; the same as before where nothing it rests on changed.

        In a large cluster most nodes are calm, and making a node means making all its pods.
        """
        if known.namespaces != self._namespaces:
            self._nodes.clear()
            self._namespaces = known.namespaces
        name = view.name
        believed, pods = known.believed.get(name), known.pods.get(name, ())
        uids = [str(pod["metadata"]["uid"]) for pod in pods]
        rests_on = (
            view,
            believed,
            pods,
            known.doubts.get(name, ""),
            ledger.incoming.get(name, 0.0),
            ledger.outgoing.get(name, 0.0),
            tuple((uid, ledger.busy[uid]) for uid in uids if uid in ledger.busy),
            tuple((uid, ledger.moved[uid]) for uid in uids if uid in ledger.moved),
            len(ledger.shifted.get(name, ())),
        )
        old = self._nodes.get(name)
        if old is not None and _unchanged(old[0], rests_on):
            return old[1]
        made = _node(view, known, ledger, self)
        # What a move would cost changes by itself and is asked for urgent nodes only; a pod that is
        # being deleted counts for a time only.
        urgent = believed is not None and believed.report.urgent
        if urgent or any(pod["metadata"].get("deletionTimestamp") for pod in pods):
            self._nodes.pop(name, None)
        else:
            self._nodes[name] = rests_on, made
        return made

    def traits(self, pod: RawPod, namespace: Mapping[str, Any] | None) -> Traits:
        """Return what counts of a pod; `blocked` says why it cannot be moved at all."""
        metadata = pod["metadata"]
        version = str(metadata.get("resourceVersion"))
        inside = str((namespace or {}).get("metadata", {}).get("resourceVersion"))
        found = self._known.get(metadata["uid"])
        if found is not None and found[0] == f"{version}/{inside}":
            return found[1]
        fresh = _traits(pod, namespace)
        self._known[metadata["uid"]] = (f"{version}/{inside}", fresh)
        return fresh

    @property
    def nodes(self) -> int:
        """How many nodes are kept made."""
        return len(self._nodes)

    @property
    def pods(self) -> int:
        """How many pods are remembered."""
        return len(self._known)

    def keep(self, uids: Iterable[str]) -> None:
        """Forget all pods but these."""
        self._nodes.clear()
        kept = set(uids)
        for uid in self._known.keys() - kept:
            del self._known[uid]


def _unchanged(old: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    """The first three are shared objects: another one is a change, whatever it says."""
    return all(map(is_, old[:3], now[:3])) and old[3:] == now[3:]


def snapshot(known: Known, ledger: Ledger, book: Book) -> Snapshot:
    """Return the cluster at `known.now`."""
    nodes = tuple(book.node(view, known, ledger) for _, view in sorted(known.nodes.items()))
    return Snapshot(known.now, nodes)


def _node(view: NodeView, known: Known, ledger: Ledger, book: Book) -> Node:
    believed = known.believed.get(view.name)
    told = known.doubts.get(view.name, "") if believed else "no report"
    if believed is None:
        capacity = float(view.allocatable_bytes or 1)
        return Node(view.name, capacity, capacity, known=False, schedulable=False)
    report, history = believed.report, known.histories.get(view.name)
    pods, leaving = _pods(view, believed, known, ledger, book)
    return Node(
        name=view.name,
        capacity=report.capacity,
        used=report.capacity - report.available,
        history=_series(history.node if history else None, ledger.shifted.get(view.name, ())),
        pods=pods,
        eviction=report.eviction,
        allocatable=float(view.allocatable_bytes) or None,
        pod_slots=POD_SLOTS,
        schedulable=view.ready and not view.cordoned,
        known=not told,
        incoming=ledger.incoming.get(view.name, 0.0),
        outgoing=ledger.outgoing.get(view.name, 0.0) + leaving,
        pressure=None if report.pressure is None else Pressure(*report.pressure),
    )


def _pods(
    view: NodeView, believed: Believed, known: Known, ledger: Ledger, book: Book
) -> tuple[tuple[Pod, ...], float]:
    """The opted-in pods of the node, and one that stands for all others; what is being deleted.

    A pod in its grace period still uses its memory and soon will not. Were that not counted, a look
    in this time would move or evict the next one, and the next.
    """
    report, history = believed.report, known.histories.get(view.name)
    measured = {pod.uid: pod for pod in report.pods}
    found: list[Pod] = []
    requested = leaving = 0.0
    for raw in known.pods.get(view.name, ()):
        if (raw.get("status") or {}).get("phase") in _ENDED:
            continue
        metadata = raw["metadata"]
        uid = str(metadata["uid"])
        traits = book.traits(raw, known.namespaces.get(str(metadata.get("namespace"))))
        memory = measured.pop(uid, None)
        size = memory.working_set if memory else 0.0
        track = history.pods.get(uid) if history else None
        requested += traits.request
        going = traits.gone_at is not None and known.wall <= traits.gone_at + ENDS_LATE
        if going and uid not in ledger.busy:
            leaving += size
        found.append(
            Pod(
                key=traits.key,
                memory=size,
                history=_series(track, (ledger.arrived[uid],) if uid in ledger.arrived else ()),
                request=traits.request,
                limit=traits.limit,
                priority=traits.priority,
                started=believed.at - (memory.age if memory else 0.0),
                cost=known.cost(raw, size) if report.urgent else MoveCost(0.0, 0.0),
                moves=ledger.moved.get(uid, 0),
                blocked=traits.blocked
                or ledger.busy.get(uid, "")
                or ("" if memory else NOT_MEASURED),
            )
        )
    others = sum(pod.working_set for pod in measured.values())
    rest = max(0.0, view.requested_bytes - requested)
    found.append(Pod(OTHERS, others, request=rest, blocked="not opted in"))
    return tuple(found), leaving


def _series(track: Track | None, disturbed: tuple[Shift, ...]) -> Series:
    return undisturbed(track.series(), disturbed) if track else Series()


def _traits(pod: RawPod, namespace: Mapping[str, Any] | None) -> Traits:
    metadata, spec = pod["metadata"], pod.get("spec") or {}
    findings = [
        *pod_checks.check_pod(pod),
        *pod_checks.check_namespace(None if namespace is None else dict(namespace)),
    ]
    blocked = findings[0].message if findings else ""
    deleted = metadata.get("deletionTimestamp")
    if deleted:
        blocked = "is being deleted"
    limit = limit_bytes(pod)
    return Traits(
        key=f"{metadata.get('namespace')}/{metadata['name']}",
        request=float(requested_bytes(pod)),
        limit=None if limit is None else float(limit),
        priority=int(spec.get("priority") or 0),
        blocked=blocked,
        gone_at=parse(str(deleted)) if deleted else None,
    )
