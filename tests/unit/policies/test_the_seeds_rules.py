"""The unit cases of the 2022 work, as inputs and outputs.

The cases are facts of the tests in elchead/k8s-migration-controller (branch controller-checks-v2,
c1ec9856) and elchead/k8s-cluster-simulator (jobruntime_v1, 57dc9257), both Apache-2.0; each names
its test. Nodes have 100 GB there (GiB here: only ratios count), slopes are GB a minute; T is the
threshold, k seconds a GB. Slopes that were injected there are two samples a minute apart here.
"""

from __future__ import annotations

import math

import pytest

from podferry.policies.cordon.seed import FreeMemory
from podferry.policies.decide import decide
from podferry.policies.detectors.seed import Slope, Threshold
from podferry.policies.gates.seed import Blocking, Concurrent
from podferry.policies.targets.seed import LeastUsed
from podferry.policies.victims.seed import BigEnough, Knapsack, Largest, SteepestSlope
from podferry.policies.vocabulary import Command, Move, MoveCost, Policy, Snapshot
from podferry.policies.words import GIB
from tests.unit.policies.worlds import NOW, asked, no_draw, node, pod, world

K = 3.3506
"""Seconds a GB of the seed's controller (checker.go); its Python evaluation has 3.127."""


def move_time(size: float, k: float = K) -> float:
    return float(math.ceil(k * size))


def choose(rule, pods, need=0.0, **more):
    place = node("z2", pods, **more)
    return list(rule.choose(place, asked("z2", need), world(place), no_draw).pods)


def test_50_gb_take_168_s_at_k_3_3506_and_157_s_at_k_3_127():
    # apython/job_test.py: 157 is asserted; 168 stands there in a comment
    assert (move_time(50.0), move_time(50.0, 3.127)) == (168.0, 157.0)


def test_threshold_asks_for_25_where_15_are_free_of_40():
    # TestGetNodeFreeRequest, T = 40: z2 has 15 % free, z1 69 %
    z2, z1 = node("z2", [pod("w", 40), pod("q", 45)]), node("z1", [pod("w", 1), pod("q", 30)])
    snapshot = world(z2, z1)
    found = Threshold(40.0).detect(z2, snapshot)
    assert found is not None
    assert found.need == pytest.approx(25 * GIB, rel=1e-15)
    assert Threshold(40.0).detect(z1, snapshot) is None


def test_slope_asks_for_7_5_and_5_where_12_5_and_15_are_foreseen():
    # TestSlopeRequester, T = 10, look-ahead 5 min, slopes 1.5 + 1 on z2 and 3 + 0 on z1
    z2 = node("z2", [pod("w", 40, 1.5), pod("q", 45, 1.0)])
    z1 = node("z1", [pod("w", 50, 3.0), pod("q", 30, 0.0)])
    rule = Slope(10.0, 300.0, 60.0)
    needs = [found.need / GIB for each in (z2, z1) if (found := rule.detect(each, world(z2, z1)))]
    assert needs == pytest.approx([7.5, 5.0], rel=1e-12)


def test_slope_of_a_pod_without_samples_is_minus_1_in_the_seeds_code():
    # influx_client.go returns -1 with an error that request_policy.go drops
    place = node("z2", [pod("w", 40, 3.0), pod("new", 45)])
    assert Slope(10.0).detect(place, world(place)) is not None
    assert Slope(10.0, unknown_slope=-3.0).detect(place, world(place)) is None


STEEP = SteepestSlope(GIB, 300.0, 60.0)


@pytest.mark.parametrize(
    ("case", "slopes", "free", "expected"),
    [
        ("biggest slope so that the buffer is not full", {"w": 3.0, "q": 1.0}, 10, ["w"]),
        ("no slope for any pod", {"w": 0.0, "q": 0.0}, 10, []),
        ("buffer not full", {"w": 1.0, "q": 0.5}, 10, []),
        ("buffer just full", {"w": 2.0, "q": 0.0}, 10, []),
        ("all", {"w": 2.0, "q": 1.5, "z": 3.0}, 5, ["z", "w", "q"]),
    ],
)
def test_steepest_slope(case, slopes, free, expected):
    # TestSlopeMigrator, look-ahead 5 min, least slope 1 GB/min (strictly above), order counts
    pods = [pod(key, 40, slope) for key, slope in slopes.items()]
    assert choose(STEEP, pods, used=100 - free) == expected, case


def test_largest_takes_the_largest_or_nobody_where_it_is_not_enough():
    # TestMaxMigration: 41 asked of {40, 45}; 60 asked is an error there, and nothing moves
    pods = [pod("ow", 40), pod("oq", 45)]
    assert choose(Largest(), pods, 41) == ["oq"]
    assert choose(Largest(), pods, 60) == []
    assert choose(Largest(only_if_enough=False), pods, 60) == ["oq"]


def test_big_enough_takes_the_smallest_that_is():
    # TestBigEnoughMigration: 26 asked of {20, 30, 40}
    pods = [pod("ow", 20), pod("oq", 30), pod("z2", 40)]
    assert choose(BigEnough(), pods, 26) == ["oq"]
    assert choose(BigEnough(), pods, 30) == ["oq"]
    assert choose(BigEnough(), pods, 41) == []
    assert choose(BigEnough(otherwise=Largest(False)), pods, 41) == ["z2"]


def test_knapsack_fills_what_is_asked_for():
    # TestKnapsackMigration: 50 asked of {20, 25, 40}
    pods = [pod("ow", 20), pod("oq", 25), pod("or", 40)]
    assert sorted(choose(Knapsack(), pods, 50)) == ["oq", "ow"]


def test_knapsack_does_not_move_what_is_below_5_gb():
    # TestDoNotMigrateSmallJob: 50 asked of {20, 25, 1, 6}
    pods = [pod("ow", 20), pod("oq", 25), pod("or", 1), pod("oy", 6)]
    assert "or" not in choose(Knapsack(), pods, 50)


def test_knapsack_halves_the_worth_of_what_was_moved():
    # TestPunishMigratedJobInOptimalMigrator: 50 asked of {20, 16, 33 moved once, 17}
    pods = [pod("ow", 20), pod("oq", 16), pod("mr", 33, moves=1), pod("ot", 17)]
    assert sorted(choose(Knapsack(), pods, 50)) == ["ot", "ow"]


def test_knapsack_leaves_out_what_is_being_moved():
    # TestConcurrentIgnoresMigratingJobs: 50 asked of {40, 45, 6}; 45 is under way, then 40 too
    moving = "is being moved"
    pods = [pod("ow", 40), pod("oq", 45, blocked=moving), pod("oy", 6)]
    assert sorted(choose(Knapsack(), pods, 50)) == ["ow", "oy"]
    pods[0] = pod("ow", 40, blocked=moving)
    assert choose(Knapsack(), pods, 50) == ["oy"]


def policy(threshold: float, victims, gates=(), at_once: int = 0) -> Policy:
    return Policy(
        Threshold(threshold), victims, LeastUsed(threshold, 5.0), gates, moves_at_once=at_once
    )


def test_a_critical_node_sends_its_largest_pod_to_the_least_used():
    # TestMigration "migrate max pod on critical node", T = 20
    snapshot = world(node("z2", [pod("w", 42), pod("q", 45)]), node("z1", [pod("v", 10)]))
    commands = decide(policy(20.0, Largest()), snapshot, (), no_draw).commands
    assert [(each.pod, each.target) for each in commands] == [("q", "z1")]


@pytest.mark.parametrize(
    ("first", "second"), [([30, 30, 30], [80]), ([27, 30, 30], [30, 30])], ids=["full", "after"]
)
def test_nothing_moves_where_the_other_node_is_full_or_would_be(first, second):
    # TestMigration "do not migrate if other node is full (after migration)", T = 20
    snapshot = world(
        node("z1", [pod(f"a{at}", size) for at, size in enumerate(first)]),
        node("z2", [pod(f"b{at}", size) for at, size in enumerate(second)]),
    )
    decision = decide(policy(20.0, Largest()), snapshot, (), no_draw)
    assert decision.commands == ()
    assert all(placement.shortfall > 0 for placement in decision.placements.values())


def test_commands_that_do_not_fit_are_skipped_and_the_next_is_tried():
    # TestThresholdRequesterValidatesAsMuchAsPossible, T = 10: z1 69 % free, z3 65 %; 60 then 40
    source = node("z2", [pod("w", 60), pod("q", 40)])
    snapshot = world(source, node("z1", used=31), node("z3", used=35))
    placed = [LeastUsed(10.0, 5.0).place(each, source, snapshot).node for each in source.pods]
    assert placed == ["", "z1"]


class Everybody:
    def choose(self, place, overload, snapshot, draw):
        from podferry.policies.vocabulary import Choice

        return Choice(tuple(each.key for each in place.pods), "all")


@pytest.mark.parametrize(("at_once", "moved"), [(0, 2), (1, 1)])
def test_a_single_move_is_the_first_valid_one(at_once, moved):
    # TestSingleMigrationS, T = 30: 20 and 35 from z2, z1 has 90 % free. Its second half asserts
    # 35 of a list that begins with 20, against its code, which takes the first; the code wins here.
    snapshot = world(node("z2", [pod("ow", 20), pod("oq", 35)], used=80), node("z1", used=10))
    decision = decide(policy(30.0, Everybody(), at_once=at_once), snapshot, (), no_draw)
    assert [each.pod for each in decision.commands] == ["ow", "oq"][:moved]


def move(key: str, size: float, begun: float, ended: float | None = None) -> Move:
    return Move(key, "z2", "z1", begun, ended, True, begun + move_time(size))


def command(key: str = "next") -> Command:
    return Command(key, "z2", "z1", 10 * GIB, NOW, "")


def at(now: float) -> Snapshot:
    return Snapshot(now, ())


def test_blocking_is_not_ready_during_a_move_nor_30_s_after_it():
    # TestBlockingChecker, k = 3.3506, back-off 30 s: 10 GB take 34 s
    gate, took = Blocking(30.0), move_time(10)
    under_way = (move("pod1", 10, NOW),)
    over = (move("pod1", 10, NOW, NOW + took),)
    assert not gate.check(command(), under_way, at(NOW + 30)).allowed
    assert not gate.check(command(), over, at(NOW + took + 29)).allowed
    assert gate.check(command(), over, at(NOW + took + 30)).allowed
    assert gate.check(command(), over, at(NOW + 330)).allowed


def test_concurrent_is_always_ready_and_moves_follow_one_another():
    # TestCheckerConcurrentMigration, k = 3.3506: 10 GB after 34 s, then 20 GB after 3 times that
    gate, took = Concurrent(link="cluster"), move_time(10)
    first = (move("pod1", 10, NOW),)
    verdict = gate.check(command("pod2"), first, at(NOW))
    assert verdict.allowed
    assert verdict.start == NOW + took
    assert verdict.start + move_time(20) == pytest.approx(NOW + 3 * took, abs=1.0)
    later = gate.check(command("pod3"), (move("pod1", 10, NOW, NOW + took),), at(NOW + 5 * 3600))
    assert (later.allowed, later.start) == (True, None)


def test_the_second_pod_finds_the_target_as_the_first_will_leave_it():
    # ValidateCmds, T = 30: 60 % free, 20 leave 40, 20 more would leave 20 of the 35 that must be
    snapshot = world(node("z2", [pod("ow", 20), pod("oq", 20)], used=90), node("z1", used=40))
    decision = decide(policy(30.0, Everybody()), snapshot, (), no_draw)
    assert [each.pod for each in decision.commands] == ["ow"]
    assert decision.placements["oq"].shortfall == pytest.approx(15 * GIB)


def test_the_same_pod_is_not_moved_twice_by_the_concurrent_checker():
    # TestControllerRestrictsChoiceForConcurrentChecker, T = 20: {30, 50, 20} on z2
    snapshot = world(
        node("z2", [pod("w", 30), pod("q", 50), pod("z", 20)]), node("z1", [pod("v", 10)])
    )
    rules = policy(20.0, Knapsack(), (Concurrent(link="cluster"),))
    first = decide(rules, snapshot, (), no_draw)
    assert [each.pod for each in first.commands] == ["z"]
    second = decide(rules, snapshot, (move("z", 20, NOW),), no_draw)
    assert second.commands == ()


def test_a_decision_during_a_move_is_empty_with_the_blocking_checker():
    # TestControllerBlocksDuringMigration and TestMigratorBlocksWhenMigInProgress, T = 20
    snapshot = world(
        node("z2", [pod("w", 30), pod("q", 50), pod("z", 20)]), node("z1", [pod("v", 10)])
    )
    rules = policy(20.0, Knapsack(), (Blocking(),))
    assert decide(rules, snapshot, (), no_draw).commands
    assert not decide(rules, snapshot, (move("z", 20, NOW),), no_draw).commands
    over = (move("z", 20, NOW - 3600, NOW - 3600 + move_time(20)),)
    assert decide(rules, snapshot, over, no_draw).commands


def test_pods_of_one_node_queue_behind_each_other_in_one_decision():
    # checker.go: the blocking checker asks once a node, then starts all its commands in a row
    pods = [pod(key, 20, cost=MoveCost(move_time(20), move_time(20))) for key in ("ow", "oq")]
    snapshot = world(node("z2", pods, used=90), node("z1", used=10))
    commands = decide(policy(30.0, Everybody(), (Blocking(),)), snapshot, (), no_draw).commands
    assert [each.start for each in commands] == [NOW, NOW + move_time(20)]


@pytest.mark.parametrize(
    ("used", "cordoned", "expected"),
    [(10, False, False), (85, False, True), (64, True, False), (65, True, False), (70, True, True),
     (70, False, False), (80, False, False)],
)  # fmt: skip
def test_the_unscheduler(used, cordoned, expected):
    # TestUnscheduleWhenNodeFull, U = 20 %, distance 15 %: 10 stays, 85 is cordoned, 64 opens again
    place = node("zone2", used=used, schedulable=not cordoned)
    assert FreeMemory(20.0, 15.0).cordon(place) is expected
