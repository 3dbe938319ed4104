"""freezeFirst before the acceptance: the queue comes first, budgets count the preparation too."""

from __future__ import annotations

from dataclasses import replace

from podferry.api.migration import MigrationSpec, WorkloadKind, WorkloadRef
from podferry.api.reasons import Condition
from podferry.api.rescue_policy import (
    PlugIn,
    RescuePolicy,
    RescuePolicySpec,
    RescuePolicyStatus,
)
from podferry.controller.core.advance import advance
from podferry.controller.core.rescue import wanted
from podferry.controller.core.status import condition, is_true
from podferry.controller.core.view import Step, View
from podferry.policies.vocabulary import Command
from podferry.strategies.container import preparation
from tests.unit.controller.core import test_a_move_waits_for_a_place as requests

MIDDLE, HIGH = preparation.PRIOR_SECONDS
PROBE = {"ok": True, "blockers": [], "residentBytes": 64 << 20, "cgroup": "v1"}


def asking(view: View, *, first: bool, budget: float | None = None) -> View:
    spec = replace(view.migration.spec, freeze_first=first, max_freeze_seconds=budget)
    return replace(view, migration=replace(view.migration, spec=spec))


def probed(view: View) -> Step:
    """The step that accepts or refuses."""
    begun = advance(view).status
    return advance(
        replace(view, migration=replace(view.migration, status=begun), probe=dict(PROBE))
    )


def test_a_move_in_the_queue_pauses_nothing() -> None:
    others = [requests.moving(name, "node-a", "node-c") for name in ("one", "two")]
    step = advance(asking(requests.view(*others), first=True))
    assert step.status.queued is not None
    assert (step.actions, step.status.freeze_epoch) == ((), 0)


def test_the_prediction_includes_the_preparation() -> None:
    ever, first = (probed(asking(requests.view(), first=one)) for one in (False, True))
    before, after = ever.status.prediction, first.status.prediction
    assert before is not None
    assert after is not None
    assert after.freeze_p50_seconds == round(before.freeze_p50_seconds + MIDDLE, 3)
    assert after.freeze_p95_seconds == round(before.freeze_p95_seconds + HIGH, 3)
    assert after.total_seconds == before.total_seconds
    said = condition(first.status, Condition.ACCEPTED)
    assert said is not None
    assert "frozen first" in said.message


def test_a_budget_that_the_preparation_breaks_is_refused() -> None:
    ever = probed(asking(requests.view(), first=False)).status.prediction
    assert ever is not None
    budget = ever.freeze_p95_seconds + HIGH / 2
    assert is_true(probed(asking(requests.view(), first=False, budget=budget)).status,
                   Condition.ACCEPTED)  # fmt: skip
    refused = probed(asking(requests.view(), first=True, budget=budget))
    said = condition(refused.status, Condition.ACCEPTED)
    assert said is not None
    assert said.reason == "FreezeOverBudget"
    assert refused.status.freeze_epoch == 0


def test_a_policy_says_it_of_each_of_its_moves() -> None:
    plug_in = PlugIn("x")
    pod = {"metadata": {"namespace": "ns", "name": "w", "uid": "0123456789"}}
    command = Command("ns/w", "node-a", "node-b", 1.0, 0.0, "why")
    for first in (False, True):
        spec = RescuePolicySpec(plug_in, plug_in, plug_in, freeze_first=first)
        policy = RescuePolicy("p", "u", 1, "1", "", spec, RescuePolicyStatus())
        assert wanted.migration(policy, command, pod, ())["spec"].get("freezeFirst", False) is first
    assert MigrationSpec(WorkloadRef(WorkloadKind.POD, "w")).freeze_first is False
