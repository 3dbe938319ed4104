"""The clairvoyant detector and victim rule."""

from __future__ import annotations

from podferry.policies.targets.seed import LeastUsed
from podferry.policies.vocabulary import MoveCost, Node, Overload, Pod, Policy, Snapshot
from podferry.simulator.model import GIB, MoveModel, Trace
from podferry.simulator.oracle import oracle
from tests.unit.simulator.scenes import cluster, events, flat, play, pod

GROWS = pod("grows", [(0, 1), (300, 1), (420, 70)], 700, arrival=1.0)
LARGE = flat("large", 50, 700, request=50)
SMALL = flat("small", 25, 700, request=25)
MOVES = MoveModel(seconds=2.0, per_gib=1.0, p95_of_p50=1.0)


def test_it_moves_before_the_overload_the_pod_whose_move_is_shortest() -> None:
    trace = Trace("scene", (LARGE, SMALL, GROWS), 60.0)
    seen = oracle(trace, horizon=300.0)
    policy = Policy(seen, seen, LeastUsed(5.0, 0.0))
    on = cluster(2, spread=False)
    without = play(trace.pods, on, moves=MOVES)
    assert without.failed
    saved = play(trace.pods, on, policy, MOVES)
    assert not saved.failed
    assert [name for _, _, name in events(saved, "moved")] == ["grows"]
    frozen = events(saved, "frozen")[0][0]
    assert 1 < frozen < 420


def test_it_is_silent_about_a_node_that_will_stay_well() -> None:
    trace = Trace("scene", (LARGE, SMALL), 60.0)
    seen = oracle(trace)
    result = play(trace.pods, cluster(2), Policy(seen, seen, LeastUsed(5.0, 0.0)), MOVES)
    assert not events(result, "move-began")


def test_as_a_victim_rule_it_judges_what_lies_beyond_its_horizon_by_the_end_of_that() -> None:
    trace = Trace("scene", (LARGE, SMALL), 60.0)
    pods = tuple(
        Pod(one.name, one.memory[0], cost=MoveCost(1.0, one.memory[0] / GIB))
        for one in (LARGE, SMALL)
    )
    node = Node("a", 100 * GIB, 75 * GIB, pods=pods)
    overload = Overload("a", 20 * GIB, 3600.0, "another detector looks further ahead")
    chosen = oracle(trace, horizon=60.0).choose(node, overload, Snapshot(0.0, (node,)), lambda: 0.0)
    assert chosen.pods == ("small",)
