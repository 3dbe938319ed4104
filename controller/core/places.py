"""Who may start now and who waits: at most so many moves off and onto a node at once. Pure.

A move holds a place on its source (out) and one on its target (in) from the write of
`status.source` until it is over. Who waits is served in the order of creation. A place that an
older one waits for is kept for it even while its other place is taken: younger moves could
otherwise take turns and keep it waiting for ever. Never looks at the cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from podferry.api.migration import Migration, Queued
from podferry.api.reasons import Phase, Reason
from podferry.controller.core.status import TERMINAL_VALUES, Draft
from podferry.controller.core.view import Step, View

HEAD_SECONDS = 0.5
"""How often one looks that is among the next to start [s]; the others with the general look."""
_NAMES_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Turn:
    """What stands before a Migration; nothing if `position` is 0."""

    position: int
    """1: the next of those that wait for one of its places."""
    why: str = ""


def may_start(view: View, source: str, target: str) -> Turn:
    """Whether a move from node `source` to node `target` finds a place on both."""
    limits = view.limits
    before = [other for other in view.active if _age(other) < _age(view.migration)]
    position, why = 0, []
    for node, way, flag, limit in (
        (source, "off", "--moves-out-per-node", limits.out_per_node),
        (target, "onto", "--moves-in-per-node", limits.in_per_node),
    ):
        moving = [_title(other) for other in view.active if _holds(other, node, way)]
        waiting = [_title(other) for other in before if _waits(other, node, way)]
        if len(moving) + len(waiting) < limit:
            continue
        position = max(position, len(waiting) + 1)
        line = f"at most {limit} moves {way} node {node} at once ({flag} of the controller)"
        if moving:
            line += f", under way: {_names(moving)}"
        if waiting:
            line += f", older and waiting: {_names(waiting)}"
        why.append(line)
    return Turn(position, "; ".join(why))


def full_targets(view: View) -> frozenset[str]:
    """Nodes onto which this Migration could not start now; another eligible one is better."""
    ends = [_ends(other) for other in view.active]
    known = {target for _, target in ends if target}
    return frozenset(
        node
        for node in known
        if sum(_holds(o, node, "onto") for o in view.active)
        + sum(_waits(o, node, "onto") for o in view.active if _age(o) < _age(view.migration))
        >= view.limits.in_per_node
    )


def wait(view: View, source: str, target: str, turn: Turn) -> Step:
    """Say that it waits, for whom, and at which position. Nothing is touched."""
    migration = view.migration
    draft = Draft(migration, view.now)
    draft.put(queued=Queued(source_node=source, target_node=target, position=turn.position))
    draft.progress(
        Phase.PENDING,
        Reason.QUEUED,
        f"position {turn.position} in the queue: {turn.why}. It starts by itself when a place is"
        f" free; `podferry cancel {migration.name}` takes it out",
    )
    head = turn.position <= max(view.limits.out_per_node, view.limits.in_per_node)
    return Step(draft.value, (), HEAD_SECONDS if head else None)


def overlay(active: Iterable[Migration], started: dict[str, Migration]) -> Iterator[Migration]:
    """The Migrations of the store with what this process has decided since.

    Args:
        active: as the store has them.
        started: by uid, those whose start was decided here, perhaps not seen in the store yet.
    """
    for migration in active:
        known = started.get(migration.uid)
        behind = known is not None and migration.status.source is None
        yield replace(migration, status=known.status) if known and behind else migration


def holds_places(migration: Migration) -> bool:
    """Whether it started and is not over."""
    status = migration.status
    return status.source is not None and status.phase not in TERMINAL_VALUES


def _holds(other: Migration, node: str, way: str) -> bool:
    return holds_places(other) and _ends(other)[way == "onto"] == node


def _waits(other: Migration, node: str, way: str) -> bool:
    status = other.status
    over = status.phase in TERMINAL_VALUES or other.spec.cancel or other.deletion_requested
    waits = status.source is None and status.queued is not None and not over
    return waits and _ends(other)[way == "onto"] == node


def _ends(migration: Migration) -> tuple[str, str]:
    """Source and target node, as far as known."""
    status = migration.status
    if status.source is not None:
        return status.source.node, status.target.node if status.target else ""
    queued = status.queued
    return (queued.source_node, queued.target_node) if queued else ("", "")


def _age(migration: Migration) -> tuple[str, str]:
    return migration.created_at, migration.uid


def _title(migration: Migration) -> str:
    return f"{migration.namespace}/{migration.name}"


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(sorted(names)[:_NAMES_SHOWN]) + more
