"""The question is wide enough for each detector, and the rules are those that the spec names."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.api.errors import PreconditionError
from podferry.controller.core.rescue.asking import asked
from podferry.controller.core.rescue.valid import policy_of
from podferry.policies.gates.limits import Budgets, CoolDown
from podferry.policies.vocabulary import Policy

from .worlds import policy


def rules(name: str, /, **args: Any) -> Policy:
    return policy_of(policy(detector={"name": name, "args": args}).spec)


@pytest.mark.parametrize(
    ("them", "soft", "horizon"),
    [
        ([rules("threshold", freePercent=20)], 30.0, 60.0),
        ([rules("threshold", freePercent=20), rules("threshold", freePercent=25)], 35.0, 60.0),
        ([rules("time-to-exhaustion", reservePercent=5, margin=30)], 15.0, 330.0),
        ([rules("mad")], 100.0, 60.0),
        ([rules("never")], 0.0, 60.0),
        ([rules("pressure-gate", detector={"name": "threshold", "args": {"freePercent": 20}})],
         30.0, 60.0),
        ([rules("threshold", freePercent=92)], 100.0, 60.0),
    ],
)  # fmt: skip
def test_a_node_on_which_a_detector_could_fire_is_urgent(
    them: list[Policy], soft: float, horizon: float
) -> None:
    found = asked(them)
    assert (found.soft, found.horizon) == (soft, horizon)
    assert 120.0 <= found.history <= 900.0
    assert type(found).from_query(found.query()) == found


def test_history_reaches_as_far_as_the_rule_that_looks_furthest_within_a_bound() -> None:
    wide = rules("time-to-exhaustion", window=400)
    assert asked([wide, rules("never")]).history == 401.0
    assert asked([rules("time-to-exhaustion", window=86400)]).history == 900.0


def test_the_budgets_of_a_policy_are_its_first_gates() -> None:
    spec = policy(
        gates=[{"name": "hysteresis"}],
        budgets={"outPerNode": 2, "inPerNode": 3, "perCluster": 4, "coolDownSeconds": 60},
    ).spec
    budgets, cool_down, _ = policy_of(spec).gates
    assert budgets == Budgets(node_out=2, node_in=3, cluster=4, workload=0)
    assert isinstance(cool_down, CoolDown)
    assert (cool_down.base, cool_down.cap) == (60.0, 6 * 3600.0)


def test_without_a_cool_down_there_is_no_such_gate() -> None:
    gates = policy_of(policy(budgets={"coolDownSeconds": 0}).spec).gates
    assert [type(each) for each in gates] == [Budgets]


@pytest.mark.parametrize("gate", ["budgets", "cool-down"])
def test_a_gate_that_the_budgets_stand_for_is_refused(gate: str) -> None:
    with pytest.raises(PreconditionError, match="says the same"):
        policy_of(policy(gates=[{"name": gate}]).spec)
