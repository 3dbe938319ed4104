"""Victim rules beside the seed's: who is taken, in which order, and what is said of the others."""

from __future__ import annotations

import random as chance
from itertools import combinations

import pytest

from podferry.policies.victims.knapsack import best_set
from podferry.policies.victims.ranked import (
    CostBenefit,
    KubeletOrder,
    MinimumMigrationTime,
    Random,
    Sandpiper,
)
from podferry.policies.victims.seed import BigEnough, Largest, SteepestSlope
from podferry.policies.vocabulary import MoveCost
from podferry.policies.words import GIB
from tests.unit.policies.worlds import NOW, asked, no_draw, node, pod, world


def choice(rule, pods, need=10.0, draw=no_draw, exhausted_in=None, **more):
    place = node("n", pods, **more)
    return rule.choose(place, asked("n", need, exhausted_in), world(place), draw)


def cost(freeze: float, total: float) -> MoveCost:
    return MoveCost(freeze, total)


FOUR = [
    pod("a", 8, request=2 * GIB, priority=1, cost=cost(5, 40), cpu=1.0),
    pod("b", 4, request=0.0, priority=0, cost=cost(3, 20), cpu=8.0),
    pod("c", 6, request=10 * GIB, priority=0, cost=cost(4, 30), cpu=1.0),
    pod("d", 30, request=0.0, priority=0, cost=cost(50, 400), cpu=1.0),
]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (MinimumMigrationTime(), ["b", "c"]),
        (MinimumMigrationTime(several=False), ["b"]),
        (MinimumMigrationTime(min_size=5 * GIB), ["c", "a"]),
        (KubeletOrder(), ["d"]),
        (KubeletOrder(several=False), ["d"]),
        (Sandpiper(), ["b", "c"]),
        # per second of freeze: a 8/5, b 4/3, c 6/4, d 10/50 (no more than the need counts)
        (CostBenefit(), ["a", "c"]),
    ],
    ids=str,
)
def test_pods_are_taken_in_the_order_of_the_rule_until_the_need_is_covered(rule, expected):
    assert list(choice(rule, FOUR, need=10, cpu=16.0).pods) == expected


def test_kubelets_order_is_usage_above_request_then_priority_then_how_much_above():
    found = choice(KubeletOrder(), FOUR, need=1000)
    assert list(found.pods) == ["d", "b", "a", "c"]


def test_cost_benefit_passes_over_what_is_not_freed_in_time():
    # 60 s are left: d alone would cover the need, but its move takes 400 s
    pods = [pod("d", 30, cost=cost(1, 400)), pod("b", 4, cost=cost(3, 20))]
    assert choice(CostBenefit(), pods, need=10, exhausted_in=60).pods == ("b", "d")
    assert choice(CostBenefit(), pods, need=10).pods == ("d",)


def test_cost_benefit_counts_the_growth_that_a_freeze_stops():
    # 60 s are left; none ends in time, but g grows by 5 GiB a minute
    pods = [pod("d", 30, 0.0, cost=cost(1, 400)), pod("g", 20, 5.0, cost=cost(1, 400))]
    assert choice(CostBenefit(), pods, need=10, exhausted_in=60).pods[0] == "g"


def test_cost_benefit_spares_progress_that_a_cold_restart_would_lose():
    pods = [
        pod("old", 10, started=NOW - 3600, cost=cost(1, 10)),
        pod("new", 10, started=NOW - 60, cost=cost(9, 10)),
    ]
    assert choice(CostBenefit(), pods).pods == ("old",)
    assert choice(CostBenefit(loss_share=1.0), pods).pods == ("new",)


def test_random_takes_the_highest_draws_in_the_order_of_keys():
    draws = iter([0.1, 0.9, 0.5, 0.2])
    found = choice(Random(), list(reversed(FOUR)), need=9, draw=lambda: next(draws))
    assert found.pods == ("b", "c")


def test_of_equal_scores_the_smaller_pod_comes_first_then_the_key():
    pods = [pod("z", 4), pod("y", 2), pod("x", 2)]
    assert choice(MinimumMigrationTime(), pods, need=3).pods == ("x", "y")


@pytest.mark.parametrize("rule", [Largest(), BigEnough(), MinimumMigrationTime(), KubeletOrder()])
def test_blocked_pods_are_named_with_their_reason(rule):
    found = choice(rule, [pod("a", 50, blocked="has an exec session"), pod("b", 0)])
    assert found.pods == ()
    assert {each.key: each.why for each in found.considered} == {
        "a": "has an exec session",
        "b": "holds no memory",
    }


def test_steepest_slope_asks_another_rule_where_nobody_grows():
    pods = [pod("a", 40, 0.0), pod("b", 30, 0.0)]
    assert choice(SteepestSlope(), pods, used=90).pods == ()
    found = choice(SteepestSlope(otherwise=Largest(False)), pods, used=90)
    assert found.pods == ("a",)
    assert "0.000 GiB foreseen in 300 s, 10.0 GiB free, so: the largest" in found.why


def brute(room, items):
    """The seed's brute force as it is meant: all sets by index, only what is worth more wins."""
    sets = sorted(
        chosen for size in range(len(items) + 1) for chosen in combinations(range(len(items)), size)
    )
    best, worth = (), 0.0
    for chosen in sets:
        total = 0.0
        for at in chosen:
            total += items[at][1]
        if sum(items[at][0] for at in chosen) <= room and total > worth:
            best, worth = chosen, total
    return best


def test_the_knapsack_search_finds_what_a_brute_force_finds():
    dice = chance.Random(7)
    for _ in range(200):
        items = [
            (dice.randint(0, 40), dice.choice([1.0, 0.5, 0.25]) * dice.randint(0, 40))
            for _ in range(dice.randint(0, 9))
        ]
        room = dice.randint(0, 90)
        assert best_set(room, items, 10**6) == (brute(room, items), True)


def test_the_knapsack_search_says_when_it_stopped_early():
    items = [(7, 7.0), (5, 5.0), (4, 4.0), (3, 3.0)] * 6
    found, whole = best_set(11, items, 2)
    assert not whole
    assert sum(items[at][0] for at in found) <= 11
