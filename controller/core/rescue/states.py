"""The status of a RescuePolicy after a look: conditions and the nodes that matter. Pure.

Owns which nodes are shown, how long a decision stays visible, and when a new status is news enough
to be written: sizes change every second, what they mean does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import isfinite

from podferry.api.crd_rescue import NODES_SHOWN
from podferry.api.migration import ConditionStatus
from podferry.api.rescue_policy import (
    Action,
    NodeState,
    RescueDecision,
    RescueNode,
    RescuePolicy,
    RescuePolicyStatus,
)
from podferry.controller.core.rescue.forecast import forecast
from podferry.controller.core.rescue.look import Look, Outcome, Scope
from podferry.controller.core.status import seconds_since, stamp
from podferry.policies.vocabulary import Node, Overload
from podferry.policies.words import gib

DECISION_SHOWN_SECONDS = 3600.0
MESSAGE_LIMIT = 1024
MOST_BYTES = 2**60
WRITE_SECONDS = 10.0
"""A status whose numbers moved is written again after this while a node is not fine [s]."""
QUIET_SECONDS = 60.0
"""And after this if all is fine, so that a reader sees that the policy is alive [s]."""
_ORDER = {
    NodeState.OVERLOADED: 0,
    NodeState.RELIEVING: 1,
    NodeState.UNKNOWN: 2,
    NodeState.CONTESTED: 3,
    NodeState.FINE: 4,
}


@dataclass(frozen=True, slots=True)
class Done:
    """What was carried out of a look."""

    migrations: Mapping[str, str] = field(default_factory=dict)
    """By pod key: `namespace/name` of the Migration that was asked for."""
    cancelled: Mapping[str, str] = field(default_factory=dict)
    """By node: why a move from it was taken back."""


def invalid(policy: RescuePolicy, reason: str, message: str, now: datetime) -> RescuePolicyStatus:
    """Return the status of a policy that cannot act as it is written."""
    status = replace(
        policy.status,
        observed_generation=policy.generation,
        evaluated_at=stamp(now),
        nodes=(),
    )
    return _with(status, "Valid", False, reason, message, now)


def after_look(
    policy: RescuePolicy,
    scope: Scope,
    doubts: Mapping[str, str],
    look: Look,
    done: Done,
    *,
    model: str,
    now: datetime,
) -> RescuePolicyStatus:
    """Return the status after one look.

    Args:
        policy: with the status that was written last.
        scope: see `look.scopes`.
        doubts: why nodes are unknown, by name.
        look: what was decided.
        done: what was carried out of it.
        model: where the expected times come from.
        now: the wall time.
    """
    unknown = {
        node.name: doubts.get(node.name) or "its agent has told nothing yet"
        for node in look.snapshot.nodes
        if node.name in scope.nodes and not node.known
    }
    before = {node.name: node for node in policy.status.nodes}
    overloads = {overload.node: overload for overload in look.decision.overloads}
    outcomes = {outcome.node: outcome for outcome in look.outcomes}
    nodes = []
    for node in look.snapshot.nodes:
        shown = _node(node, scope, unknown, overloads.get(node.name))
        if shown is None:
            continue
        told = _decision(outcomes.get(node.name), before.get(node.name), done, node.name, now)
        shown = replace(shown, last_decision=told)
        if shown.state is not NodeState.FINE or told is not None:
            nodes.append(shown)
    nodes.sort(key=_urgency)
    status = replace(
        policy.status,
        observed_generation=policy.generation,
        evaluated_at=stamp(now),
        nodes_selected=len(scope.nodes) + len(scope.contested),
        nodes_unknown=len(unknown),
        model=model,
        moves_asked=policy.status.moves_asked + len(done.migrations),
        nodes=tuple(nodes[:NODES_SHOWN]),
    )
    return _conditions(status, scope, unknown, look.outcomes, now)


def is_news(before: RescuePolicyStatus, after: RescuePolicyStatus, now: datetime) -> bool:
    """Whether a status is to be written."""
    if _telling(before) != _telling(after) or not before.evaluated_at:
        return True
    calm = all(node.state is NodeState.FINE for node in after.nodes)
    age = seconds_since(before.evaluated_at, now)
    return age >= (QUIET_SECONDS if calm else WRITE_SECONDS)


def _telling(status: RescuePolicyStatus) -> tuple[object, ...]:
    nodes = tuple(
        (node.name, node.state, node.last_decision and _of(node.last_decision))
        for node in status.nodes
    )
    conditions = tuple((one.type, one.status, one.reason) for one in status.conditions)
    head = (status.observed_generation, status.nodes_selected, status.nodes_unknown)
    return *head, status.moves_asked, nodes, conditions


def _of(decision: RescueDecision) -> tuple[str, ...]:
    return decision.action.value, decision.pod, decision.target, decision.migration


def _node(
    node: Node, scope: Scope, unknown: Mapping[str, str], overload: Overload | None
) -> RescueNode | None:
    if node.name in scope.contested:
        by = scope.contested[node.name]
        why = f"the older RescuePolicy {by} acts on it"
        return RescueNode(node.name, NodeState.CONTESTED, why)
    if node.name not in scope.nodes:
        return None
    if node.name in unknown:
        return RescueNode(node.name, NodeState.UNKNOWN, unknown[node.name])
    foreseen = forecast(node)
    state, why = NodeState.FINE, ""
    if overload is not None:
        state, why = NodeState.OVERLOADED, overload.why
    elif node.outgoing > 0:
        state, why = NodeState.RELIEVING, f"{gib(node.outgoing)} are on their way to other nodes"
    left = overload.exhausted_in if overload else foreseen.exhausted_in
    return RescueNode(
        name=node.name,
        state=state,
        why=why[:MESSAGE_LIMIT],
        available_bytes=int(node.free),
        eviction_bytes=int(node.eviction),
        slope_bytes_per_second=_whole(foreseen.slope),
        exhausted_in_seconds=None if left is None or not isfinite(left) else round(left, 1),
        need_bytes=_whole(overload.need) if overload else 0,
    )


def _decision(
    outcome: Outcome | None,
    before: RescueNode | None,
    done: Done,
    node: str,
    now: datetime,
) -> RescueDecision | None:
    """The newest decision; the same one again keeps its time."""
    last = before.last_decision if before else None
    if node in done.cancelled:
        return RescueDecision(stamp(now), Action.CANCEL, done.cancelled[node][:MESSAGE_LIMIT])
    if outcome is None:
        shown = last is not None and seconds_since(last.at, now) < DECISION_SHOWN_SECONDS
        return last if shown else None
    why = f"{outcome.too_late}; {outcome.why}" if outcome.too_late else outcome.why
    fresh = RescueDecision(
        at=stamp(now),
        action=outcome.action,
        why=why[:MESSAGE_LIMIT],
        pod=outcome.pod,
        target=outcome.target,
        migration=done.migrations.get(outcome.pod, ""),
        shortfall_bytes=_whole(outcome.shortfall),
    )
    if last is not None and _of(last) == _of(fresh):
        return replace(fresh, at=last.at)
    # A move that was asked for stays to be seen while the node waits for it.
    if last is not None and last.action is Action.MOVE and fresh.action is Action.WAIT:
        return last
    return fresh


def _conditions(
    status: RescuePolicyStatus,
    scope: Scope,
    unknown: Mapping[str, str],
    outcomes: Iterable[Outcome],
    now: datetime,
) -> RescuePolicyStatus:
    if scope.nodes:
        status = _with(status, "Valid", True, "Accepted", "every plug-in is known", now)
    elif scope.contested:
        message = "older policies act on every node that it selects; narrow a nodeSelector"
        status = _with(status, "Valid", False, "Contested", message, now)
    else:
        message = "its nodeSelector selects no node of this cluster; see kubectl get nodes -L ..."
        status = _with(status, "Valid", False, "NoNodeSelected", message, now)
    first = next(iter(sorted(unknown.items())), None)
    message = "every agent tells its node's memory"
    if first is not None:
        message = (
            f"{len(unknown)} unknown, nothing is decided about them; first {first[0]}: {first[1]}"
        )
    status = _with(status, "NodesKnown", first is None, "AgentSilent" if first else "Known",
                   message, now)  # fmt: skip
    told = list(outcomes)
    without = [one for one in told if one.action is Action.NO_ROOM]
    message = "; ".join(f"{one.node} lacks {gib(one.shortfall)}: {one.why}" for one in without)
    status = _with(status, "RoomFound", not without, "NoRoom" if without else "Enough",
                   message or "each overloaded node has somebody to give to", now)  # fmt: skip
    late = [one for one in told if one.too_late]
    message = "; ".join(one.too_late for one in late)
    return _with(status, "InTime", not late, "GrowsFasterThanAMove" if late else "Enough",
                 message or "no node fills up faster than a move takes", now)  # fmt: skip


def _with(
    status: RescuePolicyStatus, kind: str, value: bool, reason: str, message: str, now: datetime
) -> RescuePolicyStatus:
    told = "True" if value else "False"
    old = next((one for one in status.conditions if one.type == kind), None)
    at = old.last_transition_time if old is not None and old.status == told else stamp(now)
    generation = status.observed_generation
    fresh = ConditionStatus(kind, told, reason, message[:MESSAGE_LIMIT], at, generation)
    others = tuple(one for one in status.conditions if one.type != kind)
    return replace(status, conditions=(*others, fresh))


def _whole(value: float) -> int:
    """As an int64 field takes it: samples of a hostile agent give any slope."""
    return int(max(-MOST_BYTES, min(MOST_BYTES, value))) if value == value else 0


def _urgency(node: RescueNode) -> tuple[int, float, str]:
    soon = float("inf") if node.exhausted_in_seconds is None else node.exhausted_in_seconds
    return _ORDER[node.state], soon, node.name
