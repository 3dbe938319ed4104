"""What the leader knows and would do now, as JSON for `podferry plan` and `podferry top`. Pure.

Owns the shape that `README.md` beside it describes. Every number has its unit in its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podferry.api.rescue_policy import RescuePolicy
from podferry.controller.core.rescue.cluster import OTHERS, Known
from podferry.controller.core.rescue.forecast import forecast
from podferry.controller.core.rescue.look import Look
from podferry.controller.core.rescue.states import Done
from podferry.controller.core.status import stamp
from podferry.policies.vocabulary import Candidate, Node, Pod, Snapshot
from podferry.strategies.container.finding import RawPod
from podferry.wire.memory import PodMemory

Json = dict[str, Any]


def cluster(known: Known, seen: Snapshot, *, leader: str, pods: bool = True) -> Json:
    """Return nodes, and pods if they are wanted, as they are known."""
    return {
        "at": stamp(known.wall),
        "leader": leader,
        "nodes": [_node(node, known) for node in seen.nodes],
        "pods": [one for node in seen.nodes for one in _pods(node, known)] if pods else [],
        "policies": [],
    }


def of_policy(policy: RescuePolicy, look: Look, done: Done, *, model: str) -> Json:
    """Return what a policy decided and why, node by node."""
    return {
        "name": policy.name,
        "mode": policy.spec.mode.value,
        "valid": True,
        "message": "",
        "model": model,
        "nodes": [_decided(outcome.node, look, done.migrations) for outcome in look.outcomes],
    }


def of_invalid(policy: RescuePolicy, message: str) -> Json:
    """Return why a policy does nothing."""
    return {
        "name": policy.name,
        "mode": policy.spec.mode.value,
        "valid": False,
        "message": message,
        "model": "",
        "nodes": [],
    }


def _node(node: Node, known: Known) -> Json:
    believed = known.believed.get(node.name)
    if believed is None:
        doubt = known.doubts.get(node.name, "its agent has told nothing yet")
        return {"name": node.name, "known": False, "why": doubt, "ageSeconds": None}
    report, foreseen = believed.report, forecast(node)
    interval = None
    if foreseen.earliest is not None:
        interval = [_round(foreseen.earliest), _round(foreseen.latest)]
    return {
        "name": node.name,
        "known": node.known,
        "why": known.doubts.get(node.name, "") or report.why,
        "ageSeconds": _round(known.now - believed.at),
        "capacityBytes": int(node.capacity),
        "availableBytes": int(node.free),
        "evictionBytes": int(node.eviction),
        "evictionSource": report.eviction_source,
        "slopeBytesPerSecond": int(foreseen.slope),
        "exhaustedInSeconds": _round(foreseen.exhausted_in),
        "exhaustedInterval": interval,
        "urgent": report.urgent,
        "pressure": report.pressure,
        "incomingBytes": int(node.incoming),
        "outgoingBytes": int(node.outgoing),
    }


def _pods(node: Node, known: Known) -> list[Json]:
    raw = {_key(one): one for one in known.pods.get(node.name, ())}
    believed = known.believed.get(node.name)
    measured = {one.uid: one for one in believed.report.pods} if believed else {}
    return [
        _pod(pod, node, known, raw.get(pod.key), measured) for pod in node.pods if pod.key != OTHERS
    ]


def _pod(
    pod: Pod, node: Node, known: Known, raw: RawPod | None, measured: Mapping[str, PodMemory]
) -> Json:
    told = measured.get(str(raw["metadata"]["uid"])) if raw else None
    cost = known.cost(raw, pod.memory) if raw else pod.cost
    return {
        "key": pod.key,
        "node": node.name,
        "workingSetBytes": int(pod.memory),
        "rssBytes": int(told.rss) if told else 0,
        "slopeBytesPerSecond": int(told.slope) if told else 0,
        "blocked": pod.blocked,
        "reluctant": known.reluctant(raw) if raw else "",
        "freezeP50Seconds": _round(cost.freeze),
        "totalP95Seconds": _round(cost.total),
        "moving": pod.blocked.startswith(("is being moved", "is about to be moved")),
    }


def _decided(name: str, look: Look, migrations: Mapping[str, str]) -> Json:
    decision = look.decision
    outcome = next(each for each in look.outcomes if each.node == name)
    overload = next(each for each in decision.overloads if each.node == name)
    choice = decision.choices.get(name)
    chosen = set(choice.pods) if choice else set()
    return {
        "name": name,
        "state": "Overloaded",
        "action": outcome.action.value,
        "why": _joined(overload.why, outcome.why),
        "tooLate": outcome.too_late,
        "needBytes": int(overload.need),
        "exhaustedInSeconds": _round(overload.exhausted_in),
        "candidates": [
            {**_candidate(each), "chosen": each.key in chosen}
            for each in (choice.considered if choice else ())
        ],
        "placements": [
            {
                "pod": pod,
                "target": placement.node,
                "why": placement.why,
                "shortfallBytes": int(placement.shortfall),
                "candidates": [_candidate(each) for each in placement.considered],
            }
            for pod, placement in decision.placements.items()
            if pod in chosen
        ],
        "refused": [
            {"pod": command.pod, "target": command.target, "why": verdict.why}
            for command, verdict in decision.refused
            if command.source == name
        ],
        "commands": [
            {
                "pod": command.pod,
                "target": command.target,
                "migration": migrations.get(command.pod, ""),
                "why": command.why,
            }
            for command in decision.commands
            if command.source == name
        ],
    }


def _joined(trouble: str, answer: str) -> str:
    """Both, but once where the answer to the trouble repeats it, as the reason of a move does."""
    return answer if answer.startswith(trouble) else f"{trouble}; {answer}"


def _candidate(each: Candidate) -> Json:
    return {"key": each.key, "score": each.score, "why": each.why}


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _key(raw: dict[str, Any]) -> str:
    return f"{raw['metadata'].get('namespace')}/{raw['metadata']['name']}"
