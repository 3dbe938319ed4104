"""H section 4: one pod per evaluation, the ranking, the wait for clean-up, MemoryPressure."""

from __future__ import annotations

import pytest

from podferry.simulator.kubelet import evicted_before
from podferry.simulator.layout import best_effort, oom_score_adj
from podferry.simulator.model import GIB
from tests.unit.simulator.scenes import cluster, events, flat, play, pod, where

RANKING = [
    # (usage, request, priority) of the pod that goes first, of the other
    ("usage above its request goes before any other", (5, 4, 1000), (50, 60, 0)),
    ("then the lower priority", (5, 4, 0), (50, 4, 1)),
    ("then the larger part above the request", (30, 10, 0), (35, 20, 0)),
    ("without requests the largest pod", (31, 0, 0), (30, 0, 0)),
    ("within their requests the one with least to spare", (9, 10, 0), (1, 10, 0)),
]


@pytest.mark.parametrize(("why", "first", "other"), RANKING, ids=[row[0] for row in RANKING])
def test_pods_are_ranked(
    why: str, first: tuple[float, float, int], other: tuple[float, float, int]
) -> None:
    assert evicted_before(*first, *other)
    assert not evicted_before(*other, *first)


def test_one_pod_is_evicted_per_evaluation_and_the_next_comes_after_its_clean_up() -> None:
    crowd = [pod(f"p{k}", [(0, 1), (100, 20 if k else 24)]) for k in range(6)]
    result = play(crowd, cluster(memory=124.5, eviction=40 * GIB), linear=False, horizon=130)
    evicted = events(result, "evicted")
    assert [name for _, _, name in evicted[:2]] == ["p0", "p1"]
    assert evicted[1][0] - evicted[0][0] == 2


def test_evaluations_are_ten_seconds_apart_at_a_phase_of_the_seed() -> None:
    seconds = set()
    for seed in range(12):
        result = play([flat("calm", 10), pod("grows", [(0, 1), (300, 89.5)])], cluster(), seed=seed)
        first = events(result, "evicted")[0][0]
        assert 299 <= first <= 309
        seconds.add(first)
    assert len(seconds) > 4


def test_memory_pressure_keeps_best_effort_pods_away_for_five_minutes() -> None:
    pods = [
        flat("stays", 10, 2000, request=10),
        pod("evicted", [(0, 1), (60, 89.5)], 61 + 60, cpu=1.0, priority=-1),
        flat("best-effort", 1, 60, arrival=100.0),
        flat("burstable", 1, 60, arrival=100.0, cpu=0.1),
    ]
    result = play(pods, cluster(), restart_delay=3000.0)
    evicted = events(result, "evicted")[0]
    assert evicted[2] == "evicted"
    bound = {name: time for time, _, name in events(result, "bound")}
    assert bound["burstable"] == 100.0
    assert bound["best-effort"] == evicted[0] + 300


def test_an_evicted_pod_is_made_anew_by_its_owner_and_starts_from_nothing() -> None:
    pods = [flat("stays", 10, 900, request=10), pod("grows", [(0, 1), (60, 89.5)], 200)]
    result = play(pods, cluster(nodes=2), restart_delay=30.0)
    assert not result.evictions
    one = play(pods, cluster(), restart_delay=30.0, horizon=400)
    assert one.evictions == 1
    at = events(one, "evicted")[0][0]
    assert (at + 30.0, "recreated", "grows") in events(one, "recreated")
    assert one.lost_pod_seconds >= at
    assert where(one, "bound", "grows") == "node-0"


CLASSES = [
    ("guaranteed", 10, 10, 1.0, -997),
    ("best effort", 0, None, 0.0, 1000),
    ("a tenth of the node", 10, None, 1.0, 900),
    ("cpu alone", 0, None, 1.0, 999),
    ("all of the node", 100, None, 1.0, 2),
]


@pytest.mark.parametrize(("what", "request_gib", "limit", "cpu", "adj"), CLASSES)
def test_the_kernel_is_told_the_class(
    what: str, request_gib: float, limit: float | None, cpu: float, adj: int
) -> None:
    size = None if limit is None else limit * GIB
    assert oom_score_adj(request_gib * GIB, size, cpu, 100 * GIB) == adj
    assert best_effort(request_gib * GIB, size, cpu) == (adj == 1000)
