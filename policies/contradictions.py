"""Policies that can never do what they say: refused before they are taken. Decides nothing else."""

from __future__ import annotations

from typing import Any

from podferry.policies.args import refuse
from podferry.policies.vocabulary import Policy


def check_rule(place: str, rule: Any) -> None:
    """Refuse a rule whose own arguments exclude one another.

    Raises:
        PreconditionError: says which, and what to give instead.
    """
    floor = _floor(rule)
    if floor is not None and floor >= 100:
        raise refuse(
            f"{place}: freePercent {rule.free_percent:g} % and margin {rule.margin:g} % leave no "
            f"memory to use ({floor:g} % must stay free); no node can meet that: lower one"
        )
    distance = getattr(rule, "distance_percent", None)
    if distance is not None and rule.free_percent + distance >= 100:
        raise refuse(
            f"{place}: a node would be opened again at {rule.free_percent + distance:g} % free, "
            f"which no node that runs anything reaches; lower freePercent "
            f"({rule.free_percent:g} %) or distancePercent ({distance:g} %)"
        )


def check(policy: Policy) -> None:
    """Refuse a policy whose parts exclude one another.

    Raises:
        PreconditionError: says which, with both numbers.
    """
    trigger = getattr(policy.detector, "free_percent", None)
    floor = _floor(policy.targets)
    if trigger is not None and floor is not None and floor < trigger:
        raise refuse(
            f"target: takes pods down to {floor:g} % free, but the detector relieves a node below "
            f"{trigger:g} %: the pod would be moved on at once; give freePercent + margin of "
            f"{trigger:g} % or more"
        )
    kinds = [type(gate) for gate in policy.gates]
    for at, kind in enumerate(kinds):
        if kind in kinds[:at]:
            raise refuse(f"gates[{at}]: {kind.__name__} is named twice; name each gate once")
    names = {kind.__name__ for kind in kinds}
    if {"Blocking", "Concurrent"} <= names:
        raise refuse(
            "gates: blocking allows one move at a time, so concurrent never has two to queue; "
            "name one of them"
        )


def _floor(rule: Any) -> float | None:
    """What must stay free on a target [%]; None: the rule has no such floor."""
    free, margin = getattr(rule, "free_percent", None), getattr(rule, "margin", None)
    return None if free is None or margin is None else float(free + margin)
