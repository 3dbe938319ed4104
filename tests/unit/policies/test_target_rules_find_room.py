"""Target rules: who takes a pod, and what is lacking where nobody can."""

from __future__ import annotations

import pytest

from podferry.policies.beta import incomplete, tail
from podferry.policies.targets.packing import BestFit, LeastPeak
from podferry.policies.targets.risk import LowRisk, limit_risk, load_risk
from podferry.policies.targets.seed import LeastUsed
from podferry.policies.vocabulary import MoveCost
from podferry.policies.words import GIB
from tests.unit.policies.worlds import node, pod, series, world

SOURCE = node("source", used=90)
RULES = [LeastUsed(), BestFit(), LeastPeak(), LowRisk()]


def placed(rule, size, *others, **more):
    return rule.place(pod("p", size, **more), SOURCE, world(SOURCE, *others))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [(LeastUsed(), "b"), (BestFit(), "a"), (LeastPeak(), "b"), (LowRisk(), "b")],
    ids=str,
)
def test_of_two_with_room_each_rule_takes_its_own(rule, expected):
    assert placed(rule, 10, node("a", used=40), node("b", used=20)).node == expected


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_what_is_lacking_is_said_in_bytes(rule):
    found = placed(rule, 20, node("a", used=50), node("b", used=60))
    assert found.node == ""
    assert found.shortfall == pytest.approx(5 * GIB)
    assert "lacks 5.0 GiB" in found.why


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_what_moves_under_way_will_bring_is_counted(rule):
    assert placed(rule, 10, node("a", used=50)).node == "a"
    assert placed(rule, 10, node("a", used=50, incoming=10.0)).node == ""
    assert placed(rule, 10, node("a", used=60, outgoing=10.0)).node == "a"


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"known": False}, "its agent is silent"),
        ({"schedulable": False}, "cordoned or tainted"),
        ({"pod_slots": 1}, "all 1 pod slots are taken"),
        ({"cpu": 1.5}, "1 of 1.5 cores are requested, the pod asks for 1"),
        ({"allocatable": 9 * GIB}, "5.0 GiB of 9.0 GiB are requested, the pod asks for 5.0 GiB"),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_a_node_that_the_scheduler_would_refuse_is_not_taken(rule, more, why):
    other = node("a", [pod("q", 5, request=5 * GIB, cpu=1.0)], **more)
    found = placed(rule, 5, other, request=5 * GIB, cpu=1.0)
    assert found.node == ""
    assert [(each.key, each.why) for each in found.considered] == [("a", why)]
    assert why in found.why


def test_least_used_looks_at_one_node_alone_as_the_seed_does():
    # b is the least used, and a too large pod for it goes nowhere, though c is a larger node
    others = (node("b", used=20), node("c", used=150, capacity=400))
    assert placed(LeastUsed(), 60, *others).node == ""
    assert placed(BestFit(), 60, *others).node == "c"


def test_least_used_ranks_as_measured_or_with_bookings():
    others = (node("a", used=20, incoming=30.0), node("b", used=40))
    assert placed(LeastUsed(), 10, *others).node == "a"
    assert placed(LeastUsed(rank_booked=True), 10, *others).node == "b"


def test_least_peak_avoids_the_node_that_grows():
    growing = node("a", used=20, history=series([10.0, 15.0, 20.0]))
    still = node("b", used=30, history=series([30.0, 30.0, 30.0]))
    found = placed(LeastPeak(), 10, growing, still, cost=MoveCost(1.0, 60.0))
    assert found.node == "b"
    # a: 20 + 5 GiB a minute * 6 minutes + the pod's 10
    assert {each.key: each.score for each in found.considered} == {
        "a": pytest.approx(-0.6),
        "b": pytest.approx(-0.4),
    }


def test_least_peak_refuses_a_peak_above_what_kubelet_leaves():
    growing = node("a", used=20, history=series([0.0, 10.0, 20.0]))
    found = placed(LeastPeak(), 10, growing, cost=MoveCost(1.0, 60.0))
    assert found.node == "a"  # 20 + 10 a minute * 6 min + 10 of 100
    found = placed(LeastPeak(), 10, growing, cost=MoveCost(1.0, 180.0))
    assert found.node == ""
    assert found.shortfall == pytest.approx((20 + 80 + 10 - 100) * GIB)


def test_limit_risk_is_the_share_of_the_promises_that_cannot_be_kept():
    other = node("a", [pod("q", 5, request=40 * GIB, limit=100 * GIB)])
    arriving = pod("p", 5, request=20 * GIB, limit=40 * GIB)
    assert limit_risk(other, arriving) == pytest.approx(40 / 80)
    assert limit_risk(other, pod("p", 5)) == pytest.approx(5 / 65)


def test_load_risk_is_the_chance_that_use_exceeds_what_is_requested():
    other = node(
        "a", [pod("q", 45, request=50 * GIB)], history=series([35.0, 45.0, 40.0, 40.0, 40.0])
    )
    low = load_risk(other, pod("p", 1, request=30 * GIB), 5)
    high = load_risk(other, pod("p", 9), 5)
    assert 0 <= low < 1e-6
    assert 0.3 < high < 0.5  # mean 49 %, deviation 3.2 %, 50 % requested
    assert load_risk(node("a", used=40), pod("p", 9), 5) == 0.0


@pytest.mark.parametrize(
    ("a", "b", "x", "expected"),
    # closed forms: I_x(1, b) = 1 - (1-x)^b, I_x(a, 1) = x^a, I_x(2, 2) = x^2 (3 - 2x)
    [(1, 3, 0.2, 1 - 0.8**3), (4, 1, 0.7, 0.7**4), (2, 2, 0.3, 0.09 * 2.4), (60, 60, 0.5, 0.5)],
)
def test_the_incomplete_beta_function_meets_its_closed_forms(a, b, x, expected):
    assert incomplete(a, b, x) == pytest.approx(expected, rel=1e-10)


def test_the_tail_of_no_spread_is_the_mean_itself():
    assert [tail(0.6, 0.0, 0.5), tail(0.4, 0.0, 0.5), tail(0.5, 0.5, 0.6)] == [1.0, 0.0, 0.0]
