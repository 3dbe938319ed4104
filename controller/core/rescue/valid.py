"""Whether a RescuePolicy can act as it is written, and the plug-ins that it names. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podferry.api import serde
from podferry.api.errors import PreconditionError
from podferry.api.reasons import Reason
from podferry.api.rescue_policy import PlugIn, RescuePolicySpec
from podferry.policies.registry import policy_from
from podferry.policies.vocabulary import Policy

_DOUBLED = {"budgets": "budgets", "cool-down": "budgets.coolDownSeconds"}
"""Gates that the policy's own budgets stand for."""
LONGEST_COOL_DOWN_SECONDS = 6 * 3600.0


def policy_of(spec: RescuePolicySpec) -> Policy:
    """Return the rules of a policy, its budgets as gates before its own.

    Raises:
        PreconditionError: a plug-in or an argument is not known, a value is out of its range, or
            parts contradict one another; the message says what is known, or what to write.
    """
    for gate in spec.gates:
        if gate.name in _DOUBLED:
            raise PreconditionError(
                Reason.INVALID_SPEC,
                f"gates has {gate.name} and spec.{_DOUBLED[gate.name]} says the same: leave the"
                f" gate out and write spec.{_DOUBLED[gate.name]}",
            )
    return policy_from(mapping(spec))


def mapping(spec: RescuePolicySpec) -> dict[str, Any]:
    """Return a policy as `policies.registry` and `podferry simulate` read it."""
    budgets = spec.budgets
    gates = [
        {
            "name": "budgets",
            "args": {
                "nodeOut": budgets.out_per_node,
                "nodeIn": budgets.in_per_node,
                "cluster": budgets.per_cluster,
                "workload": 0,
            },
        }
    ]
    if budgets.cool_down_seconds != 0:
        cap = max(budgets.cool_down_seconds, LONGEST_COOL_DOWN_SECONDS)
        args = {"base": budgets.cool_down_seconds, "cap": cap}
        gates.append({"name": "cool-down", "args": args})
    return {
        "detector": _plug_in(spec.detector),
        "victim": _plug_in(spec.victim),
        "target": _plug_in(spec.target),
        "gates": [*gates, *_plug_ins(spec.gates)],
        "period": spec.period_seconds,
        "movesAtOnce": spec.moves_at_once,
    }


def _plug_ins(them: Iterable[PlugIn]) -> list[dict[str, Any]]:
    return [_plug_in(one) for one in them]


def _plug_in(one: PlugIn) -> dict[str, Any]:
    found: dict[str, Any] = serde.to_dict(one)
    return found
