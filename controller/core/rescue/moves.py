"""Migrations as the gates of a policy remember them. Pure.

Owns which of the cluster's Migrations count, for how long, and that a workload keeps one name over
its moves: a Deployment's pod has another name after each, and its cool-down must not begin anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from podferry.api.migration import Decision, Migration, WorkloadKind
from podferry.api.reasons import Condition, Phase, Reason
from podferry.controller.core.rescue.shifts import Shift, shifts
from podferry.controller.core.status import TERMINAL_VALUES, is_true, seconds_since
from podferry.policies.vocabulary import Command, Move

LONG_AGO = 1e9
"""No gate remembers for so long [s]."""
_TAKEN_BACK = frozenset({Reason.PRESSURE_GONE.value, Reason.CANCELLED.value})
"""Nothing was wrong with such a move, and it is over: its workload need not cool down."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A Migration that was asked for just now, perhaps not seen in the store yet."""

    namespace: str
    name: str
    pod_uid: str
    command: Command
    at: float
    """Monotonic [s]."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pod is, and how large."""

    uid: str
    node: str
    size: float
    """Working set as its agent told it last; 0: nobody told [bytes]."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What moves mean for a decision at one moment."""

    moves: tuple[Move, ...]
    incoming: Mapping[str, float]
    """By node: memory that is still to come [bytes]."""
    outgoing: Mapping[str, float]
    """By node: memory that will be freed [bytes]."""
    moved: Mapping[str, int]
    """By pod uid: how often what runs in it was moved before."""
    busy: Mapping[str, str]
    """By pod uid: why a move under way keeps it from another one."""
    shifted: Mapping[str, tuple[Shift, ...]] = field(default_factory=dict)
    """By node: when moves themselves changed what it uses."""
    arrived: Mapping[str, Shift] = field(default_factory=dict)
    """By uid of a target pod: when its memory came."""


def ledger(
    migrations: Iterable[Migration],
    asked: Iterable[Asked],
    *,
    now: float,
    wall: datetime,
    without: str = "",
    place: Callable[[str], Place | None] = lambda _key: None,
) -> Ledger:
    """Return the moves under way and over, and what they book.

    Args:
        migrations: of the whole cluster; those that ended before they began count for nothing.
        asked: of this process.
        now: the moment, monotonic [s].
        wall: the same moment on the wall clock, which Migrations are stamped by.
        without: uid of a Migration to leave out.
        place: of a pod by `namespace/name`: a Migration that nobody has looked at yet, or whose
            memory was not measured yet, counts as what its pod is.
    """
    everyone = sorted(migrations, key=lambda one: (one.created_at, one.uid))
    # Also the one that is left out is seen: it does not count as only asked for.
    names = {(one.namespace, one.name) for one in everyone}
    present = [one for one in everyone if one.uid != without]
    moves: list[Move] = []
    incoming: dict[str, float] = {}
    outgoing: dict[str, float] = {}
    busy: dict[str, str] = {}
    keys, counts = _last_pods(present)
    for one in present:
        move = _move(one, keys, now, wall, place)
        if move is None:
            continue
        moves.append(move)
        if move.ended is None:
            size = _bytes(one, move.pod, place)
            for uid in _uids(one, move.pod, place):
                busy[uid] = f"is being moved to {move.target or '?'} by Migration {one.name}"
            if not one.status.resumed_at and move.target:
                incoming[move.target] = incoming.get(move.target, 0.0) + size
            if not is_true(one.status, Condition.SOURCE_RELEASED):
                outgoing[move.source] = outgoing.get(move.source, 0.0) + size
    for each in asked:
        if (each.namespace, each.name) in names:
            continue
        told = each.command
        moves.append(Move(told.pod, told.source, told.target, each.at))
        incoming[told.target] = incoming.get(told.target, 0.0) + told.memory
        outgoing[told.source] = outgoing.get(told.source, 0.0) + told.memory
        busy[each.pod_uid] = f"is about to be moved to {told.target}"
    shifted, arrived = shifts(everyone, now=now, wall=wall)
    return Ledger(tuple(moves), incoming, outgoing, counts, busy, shifted, arrived)


def _last_pods(migrations: list[Migration]) -> tuple[dict[str, str], dict[str, int]]:
    """By uid of each source pod: the key of the pod that its workload is in now; and the counts.

    Migrations come in the order of their creation, so a chain is followed from its end.
    """
    keys: dict[str, str] = {}
    counts: dict[str, int] = {}
    for one in reversed(migrations):
        source, target = one.status.source, one.status.target
        if source is None or not source.uid:
            continue
        key = f"{one.namespace}/{source.pod}"
        if target is not None and _moved(one):
            key = keys.get(target.uid, f"{one.namespace}/{target.pod or source.pod}")
        keys.setdefault(source.uid, key)
    for one in migrations:
        source, target = one.status.source, one.status.target
        if source is not None and target is not None and _moved(one) and target.uid:
            counts[target.uid] = counts.get(source.uid, 0) + 1
    return keys, counts


def _moved(one: Migration) -> bool:
    return one.status.decision is Decision.COMMITTED


def _move(
    one: Migration,
    keys: dict[str, str],
    now: float,
    wall: datetime,
    place: Callable[[str], Place | None],
) -> Move | None:
    status = one.status
    source, target = status.source, status.target
    over = status.phase in TERMINAL_VALUES
    if over and status.decision_reason in _TAKEN_BACK:
        return None
    if source is None or target is None:
        if over:
            return None  # refused before anything
        key = f"{one.namespace}/{one.spec.workload_ref.name}"
        if status.queued is not None:
            ends = (status.queued.source_node, status.queued.target_node)
        else:
            found = _place(one, key, place)
            if found is None:
                return None  # not looked at yet, and nobody knows what it is about
            ends = (found.node, one.spec.target_node)
    else:
        ends = (source.node, target.node)
        key = keys.get(source.uid, f"{one.namespace}/{source.pod}")
    begun = now - _ago(one.created_at, wall)
    total = status.prediction.total_seconds if status.prediction else None
    return Move(
        key,
        *ends,
        begun,
        ended=now - _ago(status.completed_at, wall) if over else None,
        succeeded=status.phase == Phase.SUCCEEDED.value,
        expected_end=None if total is None else begun + total,
    )


def _bytes(one: Migration, key: str, place: Callable[[str], Place | None]) -> float:
    if one.status.prediction:
        return float(one.status.prediction.bytes)
    source = one.status.source
    found = place(f"{one.namespace}/{source.pod}" if source else key)
    return found.size if found else 0.0


def _uids(one: Migration, key: str, place: Callable[[str], Place | None]) -> set[str]:
    """The pods that the move is about, as far as they are known."""
    ends = (one.status.source, one.status.target)
    uids = {end.uid for end in ends if end is not None and end.uid}
    if not uids:
        found = _place(one, key, place)
        uids = {found.uid} if found else set()
    return uids


def _place(one: Migration, key: str, place: Callable[[str], Place | None]) -> Place | None:
    return place(key) if one.spec.workload_ref.kind is WorkloadKind.POD else None


def _ago(text: str, wall: datetime) -> float:
    """Seconds since a stamp; long ago where it is of a wrong clock, see `status.seconds_since`."""
    return min(max(0.0, seconds_since(text, wall)), LONG_AGO)
