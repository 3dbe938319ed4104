"""Gates: what they refuse, until when, and that all they know lies in moves and histories."""

from __future__ import annotations

import pytest

from podferry.policies.decide import decide
from podferry.policies.detectors.seed import Threshold
from podferry.policies.gates.hysteresis import Hysteresis
from podferry.policies.gates.limits import Budgets, CoolDown
from podferry.policies.gates.seed import Blocking, Concurrent
from podferry.policies.targets.seed import LeastUsed
from podferry.policies.victims.seed import Largest
from podferry.policies.vocabulary import Command, Move, Policy, Snapshot
from tests.unit.policies.worlds import NOW, no_draw, node, pod, series, world

HOUR = 3600.0


def command(pod="p", source="a", target="b"):
    return Command(pod, source, target, 0.0, NOW, "")


def ended(ago, took=60.0, pod="p"):
    return Move(pod, "a", "b", NOW - ago - took, NOW - ago)


def under_way(pod="q", source="a", target="b", end=NOW + 50, queued=False):
    return Move(pod, source, target, NOW - 10, None, True, end, queued)


def check(gate, *moves, **more):
    return gate.check(command(**more), moves, Snapshot(NOW, ()))


@pytest.mark.parametrize(
    ("moves", "allowed", "until"),
    [
        ((), True, None),
        ((ended(10, pod="other"),), True, None),
        ((ended(899),), False, NOW + 1),
        ((ended(900),), True, None),
        ((ended(1000, took=1200),), False, NOW + 200),
        ((ended(1799), ended(5 * HOUR)), False, NOW + 1),
        ((ended(1800), ended(5 * HOUR)), True, None),
        ((ended(1800), ended(25 * HOUR)), True, None),
        (tuple(ended(HOUR * at) for at in (1, 2, 3, 4, 5, 6, 7)), False, NOW + 5 * HOUR),
        ((under_way("p"),), True, None),
    ],
    ids=["never", "another", "1 s left", "15 min", "longer move", "twice", "30 min", "a day ago",
         "cap of 6 h", "not ended"],
)  # fmt: skip
def test_the_cool_down_doubles_with_each_move_of_a_day(moves, allowed, until):
    verdict = check(CoolDown(), *moves)
    assert (verdict.allowed, verdict.until) == (allowed, until)


@pytest.mark.parametrize(
    ("moves", "why"),
    [
        ((under_way("q"), under_way("r", target="c")), "from a"),
        ((under_way("q", source="c"), under_way("r", source="d")), "to b"),
        (tuple(under_way(f"q{at}", f"s{at}", f"t{at}") for at in range(5)), "in the cluster"),
        ((ended(10), ended(100), ended(1000)), "3 times in the last 3600 s"),
    ],
)
def test_budgets_name_the_one_that_is_used_up(moves, why):
    verdict = check(Budgets(), *moves)
    assert not verdict.allowed
    assert why in verdict.why
    assert check(Budgets(0, 0, 0, 0), *moves).allowed
    assert check(Budgets(), *moves[:-1]).allowed


def test_the_workload_budget_says_when_it_is_free_again():
    moves = (ended(10), ended(100), ended(1000))
    assert check(Budgets(), *moves).until == NOW - 1000 - 60 + HOUR


def test_blocking_takes_one_node_a_decision():
    gate = Blocking()
    assert check(gate, under_way(queued=True, source="a")).start == NOW + 50
    assert not check(gate, under_way(queued=True, source="c")).allowed
    assert check(gate, under_way()).until == NOW + 50


def test_a_gate_that_holds_a_node_is_asked_before_a_pod_is_chosen():
    place = node("a", [pod("a/p", 80)])
    rules = Policy(Threshold(), Largest(), LeastUsed(), (Blocking(),))
    snapshot = world(place, node("b", used=5))
    decision = decide(rules, snapshot, (under_way(),), no_draw)
    assert decision.waiting["a"].why == "q is being moved from a to b"
    assert (decision.commands, decision.choices) == ((), {})
    assert decide(rules, snapshot, (), no_draw).waiting == {}


@pytest.mark.parametrize(
    ("gate", "moves", "start"),
    [
        (Concurrent(), (), None),
        (Concurrent(), (under_way(source="c", target="d"),), None),
        (Concurrent(link="cluster"), (under_way(source="c", target="d"),), NOW + 50),
        (Concurrent(), (under_way(source="c", target="b"),), NOW + 50),
        (Concurrent(), (under_way(source="b", target="c", end=NOW + 70), under_way()), NOW + 70),
        (Concurrent(2), (under_way(), under_way("r", end=NOW + 70)), NOW + 50),
        (Concurrent(3), (under_way(), under_way("r", end=NOW + 70)), None),
        (Concurrent(), (under_way(end=NOW - 5),), None),
    ],
)
def test_moves_that_share_a_link_start_when_it_is_free(gate, moves, start):
    verdict = check(gate, *moves)
    assert (verdict.allowed, verdict.start) == (True, start)


BAD, GOOD = 80.0, 60.0


@pytest.mark.parametrize(
    ("values", "allowed"),
    [
        ([], False),
        ([BAD] * 5, False),
        ([BAD] * 6, True),
        ([BAD] * 3 + [GOOD] + [BAD] * 3, False),
        ([BAD] * 6 + [GOOD] * 3, True),
        ([BAD] * 6 + [GOOD] * 4, False),
        ([BAD] * 6 + [GOOD] * 4 + [BAD], False),
    ],
)
def test_a_node_is_abnormal_after_six_bad_samples_until_four_good_ones(values, allowed):
    place = node("a", history=series(values, 15.0), used=80)
    assert Hysteresis().check(command(), (), world(place)).allowed is allowed


def test_samples_that_are_old_or_far_apart_do_not_count():
    apart = node("a", history=series([BAD] * 6, 61.0), used=80)
    assert not Hysteresis().check(command(), (), world(apart)).allowed
    fresh = node("a", history=series([BAD] * 6, 15.0), used=80)
    assert Hysteresis().check(command(), (), Snapshot(NOW + 180, (fresh,))).allowed
    old = Hysteresis().check(command(), (), Snapshot(NOW + 181, (fresh,)))
    assert "181 s old, at most 180 s" in old.why
