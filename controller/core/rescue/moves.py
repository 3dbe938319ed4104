"""Migrations as the gates of a policy remember them. Pure.

Owns which of the cluster's Migrations count, for how long, and that a workload keeps one name over
its moves: a Deployment's pod has another name after each, and its cool-down must not begin anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from podferry.api.migration import Decision, Migration
from podferry.api.reasons import Condition, Phase, Reason
from podferry.controller.core.status import TERMINAL_VALUES, is_true, parse
from podferry.policies.vocabulary import Command, Move

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


def ledger(
    migrations: Iterable[Migration],
    asked: Iterable[Asked],
    *,
    now: float,
    wall: datetime,
    without: str = "",
) -> Ledger:
    """Return the moves under way and over, and what they book.

    Args:
        migrations: of the whole cluster; those that ended before they began count for nothing.
        asked: of this process.
        now: the moment, monotonic [s].
        wall: the same moment on the wall clock, which Migrations are stamped by.
        without: uid of a Migration to leave out.
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
        move = _move(one, keys, now, wall)
        if move is None:
            continue
        moves.append(move)
        if move.ended is None:
            size = _bytes(one)
            for end in (one.status.source, one.status.target):
                if end is not None and end.uid:
                    busy[end.uid] = f"is being moved to {move.target} by Migration {one.name}"
            if not one.status.resumed_at:
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
    return Ledger(tuple(moves), incoming, outgoing, counts, busy)


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


def _move(one: Migration, keys: dict[str, str], now: float, wall: datetime) -> Move | None:
    status = one.status
    source, target = status.source, status.target
    over = status.phase in TERMINAL_VALUES
    if over and status.decision_reason in _TAKEN_BACK:
        return None
    if source is None or target is None:
        if over or status.queued is None:
            return None  # refused before anything, or not looked at yet
        ends = (status.queued.source_node, status.queued.target_node)
        key = f"{one.namespace}/{one.spec.workload_ref.name}"
    else:
        ends = (source.node, target.node)
        key = keys.get(source.uid, f"{one.namespace}/{source.pod}")
    begun = now - max(0.0, _ago(one.created_at, wall))
    total = status.prediction.total_seconds if status.prediction else None
    return Move(
        key,
        *ends,
        begun,
        ended=now - max(0.0, _ago(status.completed_at, wall)) if over else None,
        succeeded=status.phase == Phase.SUCCEEDED.value,
        expected_end=None if total is None else begun + total,
    )


def _bytes(one: Migration) -> float:
    return float(one.status.prediction.bytes) if one.status.prediction else 0.0


def _ago(text: str, wall: datetime) -> float:
    return (wall - parse(text)).total_seconds() if text else 0.0
