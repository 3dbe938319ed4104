"""From the spec of a RescuePolicy to its rules: budgets become gates, contradictions are named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from podferry.api.errors import PreconditionError
from podferry.api.rescue_policy import PlugIn, RescueBudgets, RescuePolicySpec
from podferry.controller.core.rescue.valid import LONGEST_COOL_DOWN_SECONDS, mapping, policy_of
from podferry.policies.gates.limits import Budgets, CoolDown
from podferry.policies.gates.seed import Concurrent
from podferry.policies.registry import policy_from

SPEC = RescuePolicySpec(
    detector=PlugIn("threshold", {"freePercent": 35}),
    victim=PlugIn("big-enough", {"otherwise": {"name": "largest"}}),
    target=PlugIn("least-peak"),
)


def test_budgets_come_first_and_the_person_s_gates_after_them() -> None:
    spec = replace(SPEC, gates=(PlugIn("concurrent"),), budgets=RescueBudgets(2, 3, 7, 60.0))
    budgets, cool_down, concurrent = policy_of(spec).gates
    assert isinstance(budgets, Budgets)
    assert (budgets.node_out, budgets.node_in, budgets.cluster) == (2, 3, 7)
    assert isinstance(cool_down, CoolDown)
    assert (cool_down.base, cool_down.cap) == (60.0, LONGEST_COOL_DOWN_SECONDS)
    assert isinstance(concurrent, Concurrent)


def test_without_a_cool_down_there_is_no_such_gate() -> None:
    spec = replace(SPEC, budgets=RescueBudgets(cool_down_seconds=0.0))
    assert [type(gate) for gate in policy_of(spec).gates] == [Budgets]


def test_a_cool_down_above_the_usual_cap_is_its_own_cap() -> None:
    spec = replace(SPEC, budgets=RescueBudgets(cool_down_seconds=36_000.0))
    cool_down = policy_of(spec).gates[1]
    assert isinstance(cool_down, CoolDown)
    assert (cool_down.base, cool_down.cap) == (36_000.0, 36_000.0)


def test_period_and_moves_at_once_are_those_of_the_spec() -> None:
    found = policy_of(replace(SPEC, period_seconds=2.0, moves_at_once=3))
    assert (found.period, found.moves_at_once) == (2.0, 3)


def test_the_simulator_reads_the_same_mapping() -> None:
    assert policy_from(mapping(SPEC)) == policy_of(SPEC)


@pytest.mark.parametrize(("gate", "field"), [("budgets", "budgets"),
                                             ("cool-down", "budgets.coolDownSeconds")])  # fmt: skip
def test_a_gate_that_the_budgets_stand_for_is_refused(gate: str, field: str) -> None:
    with pytest.raises(PreconditionError, match=f"leave the gate out and write spec.{field}"):
        policy_of(replace(SPEC, gates=(PlugIn(gate),)))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"detector": PlugIn("nope")}, "no detector is called 'nope'; known are holt"),
        ({"victim": PlugIn("nope")}, "no victim is called 'nope'"),
        ({"target": PlugIn("least-peak", {"nope": 1})}, "no argument is called 'nope'"),
        ({"gates": (PlugIn("blocking"), PlugIn("concurrent"))}, "name one of them"),
        ({"gates": (PlugIn("hysteresis"), PlugIn("hysteresis"))}, "named twice"),
        ({"period_seconds": 0.0}, "period is 0 s; give 1 to 3600 s"),
        ({"moves_at_once": -1}, "movesAtOnce is -1"),
        ({"budgets": RescueBudgets(out_per_node=-1)}, "nodeOut is -1"),
        ({"budgets": RescueBudgets(cool_down_seconds=float("nan"))}, "base is nan"),
        ({"budgets": RescueBudgets(cool_down_seconds=-1.0)}, "base is -1 s"),
    ],
)
def test_what_cannot_act_is_refused_with_what_to_write(change: dict[str, object], why: str) -> None:
    with pytest.raises(PreconditionError, match=why):
        policy_of(replace(SPEC, **change))  # type: ignore[arg-type]
