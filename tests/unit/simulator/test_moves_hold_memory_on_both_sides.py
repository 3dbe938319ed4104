"""What each way of moving freezes, holds, loses, and how it fails. One policy: a pod, a second."""

from __future__ import annotations

from dataclasses import replace

import pytest

from podferry.simulator.model import GIB, MoveModel, Result, Strategy, TracePod
from tests.unit.simulator.scenes import cluster, events, flat, orders, play, pod, where

CONTAINER = MoveModel(seconds=2.0, per_gib=1.0, p95_of_p50=1.0, prepare=3.0)
POST_COPY = replace(CONTAINER, post_copy=True)
MACHINE = replace(CONTAINER, strategy=Strategy.VIRTUAL_MACHINE, downtime=0.5)
COLD = replace(CONTAINER, strategy=Strategy.COLD_RESTART)
STEPS = ("move-began", "frozen", "moved", "move-failed", "move-cancelled", "ended")


def move(model: MoveModel, *pods: TracePod, at: float = 50.0, nodes: int = 2) -> Result:
    moved = pods or (flat("a", 10, 200),)
    asked = orders(*((at, each.name) for each in moved))
    return play(moved, cluster(nodes), asked, model, sampling=1.0)


def test_a_container_stands_still_for_the_copy_and_ends_so_much_later() -> None:
    result = move(CONTAINER)
    assert events(result, *STEPS) == [
        (51.0, "move-began", "a"),
        (54.0, "frozen", "a"),
        (66.0, "moved", "a"),
        (212.0, "ended", "a"),
    ]
    assert (result.freeze_seconds, result.lost_pod_seconds) == (12.0, 0.0)
    assert where(result, "bound", "a") != where(result, "ended", "a")


def test_the_seed_s_constant_gives_168_s_for_50_gb() -> None:
    seed = MoveModel(seconds=0.0, per_gib=3.3506, p95_of_p50=1.0)
    result = move(seed, flat("a", 50, 300))
    frozen, moved = (time for time, _, _ in events(result, "frozen", "moved"))
    assert moved - frozen == 168.0


def test_with_post_copy_the_freeze_is_short_and_the_source_is_free_later() -> None:
    result = move(POST_COPY)
    assert events(result, *STEPS) == [
        (51.0, "move-began", "a"),
        (54.0, "frozen", "a"),
        (66.0, "moved", "a"),
        (202.0, "ended", "a"),
    ]
    assert result.freeze_seconds == 2.0


def test_a_virtual_machine_runs_on_and_stops_for_its_downtime() -> None:
    result = move(MACHINE)
    assert events(result, *STEPS) == [
        (51.0, "move-began", "a"),
        (66.0, "frozen", "a"),
        (67.0, "moved", "a"),
        (201.0, "ended", "a"),
    ]
    assert result.freeze_seconds == 0.5


def test_writing_makes_a_pre_copy_longer() -> None:
    busy = replace(MACHINE, dirty_rate=0.5 * GIB)
    assert events(move(busy), "frozen") == [(76.0, "frozen", "a")]


def test_a_pre_copy_slower_than_the_writes_is_given_up_without_a_stop() -> None:
    result = move(replace(MACHINE, dirty_rate=2.0 * GIB, progress_timeout=30.0))
    assert events(result, *STEPS) == [
        (51.0, "move-began", "a"),
        (96.0, "move-failed", "a"),
        (200.0, "ended", "a"),
    ]
    assert result.freeze_seconds == 0.0


def test_a_virtual_machine_gives_no_memory_back() -> None:
    shrinks = pod("a", [(0, 80), (60, 1)], 300)
    grows = pod("b", [(0, 1), (100, 30)], 300)
    on = cluster(1)
    assert not play([shrinks, grows], on, moves=CONTAINER, linear=False).failed
    assert play([shrinks, grows], on, moves=MACHINE, linear=False, horizon=150).failed


def test_a_cold_restart_loses_what_was_done_and_begins_on_the_target() -> None:
    result = move(COLD)
    assert events(result, "moved", "restarted", "ended") == [
        (54.0, "moved", "a"),
        (64.0, "restarted", "a"),
        (264.0, "ended", "a"),
    ]
    assert result.lost_pod_seconds == 54.0
    assert where(result, "bound", "a") != where(result, "restarted", "a")
    assert not result.failed


FAILING = [
    ("container", CONTAINER, (66.0, "move-failed", "a"), 12.0),
    ("post-copy", POST_COPY, (56.0, "move-failed", "a"), 2.0),
    ("virtual machine", MACHINE, (67.0, "move-failed", "a"), 0.5),
    ("cold restart", COLD, (54.0, "move-failed", "a"), 0.0),
]


@pytest.mark.parametrize(
    ("what", "model", "failed", "freeze"), FAILING, ids=[r[0] for r in FAILING]
)
def test_a_failed_move_costs_its_freeze_and_no_progress(
    what: str, model: MoveModel, failed: tuple[float, str, str], freeze: float
) -> None:
    result = move(replace(model, failures=1.0))
    assert events(result, "move-failed", "moved") == [failed]
    assert (result.failed_migrations, result.migrations) == (1, 0)
    assert (result.freeze_seconds, result.lost_pod_seconds) == (freeze, 0.0)
    assert where(result, "ended", "a") == where(result, "bound", "a")


def test_source_and_target_both_hold_the_memory_until_the_commit() -> None:
    result = play([flat("a", 40, 200)], cluster(2), orders((50.0, "a")), CONTAINER, sampling=1.0)
    whole = 200 * GIB * (200 + 42 + 1)  # a sample a second, the last one at the end
    assert result.mean_utilisation == pytest.approx((40 * GIB * (242 + 42)) / whole, abs=1e-9)


def test_one_stream_of_a_link_lets_the_second_move_wait() -> None:
    result = move(CONTAINER, flat("a", 10, 200), flat("b", 10, 200), at=60.0, nodes=1)
    assert not events(result, "moved")
    packed = cluster(2, spread=False)
    two = (flat("a", 10, 200, request=1), flat("b", 10, 200, request=1))
    asked = orders((50.0, "a"), (50.0, "b"))
    one = play(two, packed, asked, CONTAINER)
    assert [time for time, _, _ in events(one, "moved")] == [66.0, 82.0]
    both = play(two, packed, asked, replace(CONTAINER, streams_per_link=2))
    assert [time for time, _, _ in events(both, "moved")] == [66.0, 66.0]


def test_the_pods_requests_count_on_the_target_from_the_begin() -> None:
    pods = [
        flat("a", 10, 300, request=60),
        flat("late", 1, 100, arrival=55.0, request=60, priority=1),
        flat("b", 1, 53, request=60),
    ]
    result = play(pods, cluster(2), orders((60.0, "a")), CONTAINER)
    assert where(result, "bound", "late") != where(result, "bound", "a")
    assert events(result, "move-failed") == [(61.0, "move-failed", "a")]
    assert result.freeze_seconds == 0.0


def test_a_pod_that_ends_before_its_freeze_ends_its_move() -> None:
    result = move(CONTAINER, flat("a", 10, 53))
    assert events(result, *STEPS) == [
        (51.0, "move-began", "a"),
        (53.0, "ended", "a"),
        (53.0, "move-cancelled", "a"),
    ]
    assert (result.migrations, result.failed_migrations) == (0, 0)


def test_a_copy_that_fills_its_target_is_killed_there_and_its_pod_goes_on() -> None:
    pods = [
        flat("a", 50, 300),
        pod("b", [(0, 1), (40, 1), (60, 60)], 200, priority=9, request=61),
    ]
    result = play(pods, cluster(2), orders((50.0, "a")), CONTAINER)
    assert result.failed_migrations == 1
    assert result.lost_pod_seconds == 0.0
    assert not result.failed


def test_durations_spread_around_the_median_by_the_seed() -> None:
    wide = replace(CONTAINER, p95_of_p50=1.5)
    asked = orders((50.0, "a"))
    froze = [
        play([flat("a", 10, 200)], cluster(2), asked, wide, seed).freeze_seconds
        for seed in range(200)
    ]
    froze.sort()
    assert 11.0 < froze[100] < 13.0
    assert 16.0 < froze[190] < 21.0
