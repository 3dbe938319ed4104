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
    if distance is not None:
        _check_cordon(place, rule.free_percent, distance)
    for few, many in (
        ("exceeding", "samples"),
        ("samples", "fit_samples"),
        ("min_samples", "samples"),
        ("base", "cap"),
    ):
        _check_order(place, rule, few, many)


def _check_cordon(place: str, free: float, distance: float) -> None:
    if free <= 0:
        raise refuse(
            f"{place}: freePercent 0 % never acts, kubelet evicts before that; give a larger one "
            "or leave cordon out"
        )
    if free + distance >= 100:
        raise refuse(
            f"{place}: a node would be opened again at {free + distance:g} % free, which no node "
            f"that runs anything reaches; lower freePercent ({free:g} %) or distancePercent "
            f"({distance:g} %)"
        )


def _check_order(place: str, rule: Any, few: str, many: str) -> None:
    low, high = getattr(rule, few, None), getattr(rule, many, None)
    if low is None or high is None or low <= high:
        return
    names = {"fit_samples": "fitSamples", "min_samples": "minSamples"}
    raise refuse(
        f"{place}: {names.get(few, few)} {low:g} is above {names.get(many, many)} {high:g}, so the "
        "rule never acts as it says; swap or change them"
    )


def trigger(detector: Any) -> float | None:
    """Return the free memory below which a detector acts [%], that of a wrapped one included."""
    free = getattr(detector, "free_percent", None)
    if free is not None:
        return float(free)
    used = getattr(detector, "used_percent", None)
    if used is not None:
        return 100.0 - float(used)
    wrapped = getattr(detector, "detector", None)
    return None if wrapped is None else trigger(wrapped)


def check(policy: Policy) -> None:
    """Refuse a policy whose parts exclude one another.

    Raises:
        PreconditionError: says which, with both numbers.
    """
    acts, floor = trigger(policy.detector), _floor(policy.targets)
    if acts is not None and floor is not None and floor < acts:
        raise refuse(
            f"target: takes pods down to {floor:g} % free, but the detector relieves a node below "
            f"{acts:g} %: the pod would be moved on at once; give freePercent + margin of "
            f"{acts:g} % or more"
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
