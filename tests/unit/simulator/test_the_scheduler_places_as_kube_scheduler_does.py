"""Filters, the two scores of NodeResourcesFit, the queue, and seeded ties."""

from __future__ import annotations

import pytest

from podferry.simulator.scheduler import allocated
from tests.unit.simulator.scenes import cluster, events, flat, play, where

SCORES = [
    ("least allocated, a quarter taken", 25, 100, 1, 75),
    ("most allocated, a quarter taken", 25, 100, 0, 25),
    ("whole numbers, cut as Go does", 1, 3, 1, 66),
    ("more than there is", 101, 100, 1, 0),
    ("nothing there", 0, 0, 1, 0),
]


@pytest.mark.parametrize(("what", "requested", "there", "spread", "points"), SCORES)
def test_one_resource_is_scored(
    what: str, requested: int, there: int, spread: int, points: int
) -> None:
    assert allocated(requested, there, spread) == points


def test_least_allocated_spreads_and_most_allocated_packs() -> None:
    pods = [flat("a", 1, request=10), flat("b", 1, request=10, arrival=5.0)]
    spread = play(pods, cluster(nodes=2))
    assert where(spread, "bound", "a") != where(spread, "bound", "b")
    packed = play(pods, cluster(nodes=2, spread=False))
    assert where(packed, "bound", "a") == where(packed, "bound", "b")


WAITS = [
    ("memory", {"request": 60.0}, {}),
    ("cores", {"cpu": 3.0}, {"node_cpu": 4.0}),
    ("pod slots", {}, {"pod_slots": 1}),
]


@pytest.mark.parametrize(("what", "of_pod", "of_cluster"), WAITS, ids=[row[0] for row in WAITS])
def test_a_pod_waits_for_room(
    what: str, of_pod: dict[str, float], of_cluster: dict[str, float]
) -> None:
    pods = [flat("first", 1, 100, **of_pod), flat("second", 1, 100, arrival=10.0, **of_pod)]
    result = play(pods, cluster(**of_cluster))
    assert events(result, "bound")[1] == (100.0, "bound", "second")
    assert result.queued_pod_seconds == 90.0


def test_the_threshold_of_kubelet_is_not_allocatable() -> None:
    assert play([flat("fits", 1, 60, request=99)], cluster()).unfinished == 0
    assert play([flat("does-not", 1, 60, request=99.5)], cluster()).unfinished == 1


def test_higher_priority_leaves_the_queue_first() -> None:
    pods = [
        flat("holds", 1, 100, request=90),
        flat("low", 1, 50, arrival=10.0, request=90),
        flat("high", 1, 50, arrival=20.0, request=90, priority=5),
    ]
    result = play(pods, cluster())
    assert [name for _, _, name in events(result, "bound")] == ["holds", "high", "low"]


def test_the_request_factor_is_what_scheduler_and_kubelet_see() -> None:
    pods = [flat("a", 1, 60, request=90), flat("b", 1, 60, request=90)]
    assert play(pods, cluster()).queued_pod_seconds > 0
    assert play(pods, cluster(request_factor=0.5)).queued_pod_seconds == 0


def test_equal_nodes_are_drawn_by_the_seed_and_the_same_seed_draws_the_same() -> None:
    drawn = [where(play([flat("a", 1)], cluster(nodes=4), seed=s), "bound", "a") for s in range(40)]
    again = [where(play([flat("a", 1)], cluster(nodes=4), seed=s), "bound", "a") for s in range(40)]
    assert drawn == again
    assert len(set(drawn)) == 4
