"""Plug-ins by name, and a whole policy from what a person wrote.

Owns the tables of names, how `{name, args}` becomes a rule, and which policies contradict
themselves. A mapping here is the spec of a RescuePolicy. It never decides about a node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from podferry.policies.args import Arg, declared, read, refuse, snake
from podferry.policies.contradictions import check, check_rule
from podferry.policies.cordon.seed import FreeMemory
from podferry.policies.detectors.foreseeing import (
    Holt,
    LocalRegression,
    RobustRegression,
    TimeToExhaustion,
)
from podferry.policies.detectors.pressure import PressureGate
from podferry.policies.detectors.seed import Never, Slope, Threshold
from podferry.policies.detectors.trailing import Iqr, KOfN, LastMean, Mad, NSigma
from podferry.policies.gates.hysteresis import Hysteresis
from podferry.policies.gates.limits import Budgets, CoolDown
from podferry.policies.gates.seed import Blocking, Concurrent
from podferry.policies.targets.packing import BestFit, LeastPeak
from podferry.policies.targets.risk import LowRisk
from podferry.policies.targets.seed import LeastUsed
from podferry.policies.victims.ranked import (
    CostBenefit,
    KubeletOrder,
    MinimumMigrationTime,
    Random,
    Sandpiper,
)
from podferry.policies.victims.seed import BigEnough, Knapsack, Largest, SteepestSlope
from podferry.policies.vocabulary import Policy

Tables = Mapping[str, Mapping[str, type]]
"""Kind -> name -> plug-in."""

DETECTORS: Mapping[str, type] = {
    "threshold": Threshold,
    "slope": Slope,
    "last-mean": LastMean,
    "mad": Mad,
    "iqr": Iqr,
    "local-regression": LocalRegression,
    "robust-regression": RobustRegression,
    "holt": Holt,
    "time-to-exhaustion": TimeToExhaustion,
    "k-of-n": KOfN,
    "n-sigma": NSigma,
    "pressure-gate": PressureGate,
    "never": Never,
}
VICTIMS: Mapping[str, type] = {
    "steepest-slope": SteepestSlope,
    "largest": Largest,
    "big-enough": BigEnough,
    "knapsack": Knapsack,
    "minimum-migration-time": MinimumMigrationTime,
    "sandpiper": Sandpiper,
    "kubelet-order": KubeletOrder,
    "cost-benefit": CostBenefit,
    "random": Random,
}
TARGETS: Mapping[str, type] = {
    "least-used": LeastUsed,
    "best-fit": BestFit,
    "least-peak": LeastPeak,
    "low-risk": LowRisk,
}
GATES: Mapping[str, type] = {
    "blocking": Blocking,
    "concurrent": Concurrent,
    "cool-down": CoolDown,
    "budgets": Budgets,
    "hysteresis": Hysteresis,
}
CORDONS: Mapping[str, type] = {
    "free-memory": FreeMemory,
}
TABLES: Tables = {
    "detector": DETECTORS,
    "victim": VICTIMS,
    "target": TARGETS,
    "gate": GATES,
    "cordon": CORDONS,
}
_POLICY_KEYS = ("detector", "victim", "target", "gates", "cordon", "period", "movesAtOnce")
_PERIOD = Arg("between two decisions", "s", 1.0, 3600.0)
_AT_ONCE = Arg("commands of one decision at most; 0: no limit", "", 0, 10_000, whole=True)


def build(kind: str, spec: Any, extra: Tables | None = None, where: str = "") -> Any:
    """Return the plug-in that `{"name": ..., "args": {...}}` names.

    Args:
        kind: `detector`, `victim`, `target`, `gate` or `cordon`.
        spec: what a person wrote; `args` may be left out.
        extra: further plug-ins of the caller, such as the simulator's oracle.
        where: the place in the file, for the message.

    Raises:
        PreconditionError: unknown plug-in or argument (with the list of the known), wrong type,
            value out of range.
    """
    where = where or kind
    if not isinstance(spec, Mapping) or not isinstance(spec.get("name"), str):
        raise refuse(f"{where} is {spec!r}; write name: PLUG-IN and, if need be, args: {{...}}")
    _refuse_unknown(where, set(spec), ("name", "args"), "key")
    known = {**TABLES[kind], **((extra or {}).get(kind, {}))}
    name = spec["name"]
    if name not in known:
        raise refuse(f"{where}: no {kind} is called {name!r}; known are {', '.join(sorted(known))}")
    args = {} if spec.get("args") is None else spec["args"]
    if not isinstance(args, Mapping):
        raise refuse(f"{where}.args is {args!r}; write one argument a line, such as name: value")
    plug = known[name]
    possible = declared(plug)
    place = f"{where} {name}"
    _refuse_unknown(place, set(args), tuple(possible), "argument")
    values = {}
    for key, value in args.items():
        arg, default = possible[key]
        if arg.plug_in:
            values[snake(key)] = build(arg.plug_in, value, extra, f"{place}.{key}")
        else:
            values[snake(key)] = read(place, key, arg, default, value)
    rule = plug(**values)
    check_rule(place, rule)
    return rule


def policy_from(mapping: Any, extra: Tables | None = None) -> Policy:
    """Return the policy that a mapping describes.

    Keys: `detector`, `victim`, `target` (each `{name, args}`), `gates` (a list of them), `cordon`,
    `period` [s], `movesAtOnce`. A target rule's `freePercent` is the detector's if it is not given.

    Raises:
        PreconditionError: as `build`, and where parts of the policy contradict one another.
    """
    if not isinstance(mapping, Mapping):
        raise refuse(f"a policy is a mapping with {', '.join(_POLICY_KEYS)}; this is {mapping!r}")
    _refuse_unknown("policy", set(mapping), _POLICY_KEYS, "key")
    for key in ("detector", "victim", "target"):
        if key not in mapping:
            known = ", ".join(sorted({**TABLES[key], **((extra or {}).get(key, {}))}))
            raise refuse(f"policy has no {key}; add {key}: {{name: ...}}, one of {known}")
    gates = mapping.get("gates") or []
    if not isinstance(gates, list | tuple):
        raise refuse(f"gates is {gates!r}; write a list of {{name, args}}")
    detector = build("detector", mapping["detector"], extra)
    cordon = mapping.get("cordon")
    policy = Policy(
        detector=detector,
        victims=build("victim", mapping["victim"], extra),
        targets=build("target", _inherited(mapping["target"], detector, extra), extra),
        gates=tuple(build("gate", gate, extra, f"gates[{at}]") for at, gate in enumerate(gates)),
        cordoner=None if cordon is None else build("cordon", cordon, extra),
        period=read("policy", "period", _PERIOD, 15.0, mapping.get("period", 15.0)),
        moves_at_once=read("policy", "movesAtOnce", _AT_ONCE, 0, mapping.get("movesAtOnce", 0)),
    )
    check(policy)
    return policy


def _inherited(spec: Any, detector: Any, extra: Tables | None) -> Any:
    """Give a target rule the detector's threshold where the person gave it none."""
    while hasattr(detector, "detector"):
        detector = detector.detector
    threshold = getattr(detector, "free_percent", None)
    if threshold is None or not isinstance(spec, Mapping):
        return spec
    plug = {**TARGETS, **((extra or {}).get("target", {}))}.get(spec.get("name", ""))
    args = spec.get("args") or {}
    if plug is None or not isinstance(args, Mapping) or "freePercent" in args:
        return spec
    if all(each.name != "free_percent" for each in fields(plug)):
        return spec
    return {**spec, "args": {**args, "freePercent": threshold}}


def _refuse_unknown(where: str, given: set[Any], known: tuple[str, ...], what: str) -> None:
    unknown = sorted(str(each) for each in given if each not in known)
    if unknown:
        names = ", ".join(known) or "none"
        raise refuse(f"{where}: no {what} is called {unknown[0]!r}; known are {names}")
