"""Growth beyond the threshold and the capacity between two evaluations: OOM kill, not eviction."""

from __future__ import annotations

from tests.unit.simulator.scenes import cluster, events, flat, play, pod


def test_a_jump_between_two_evaluations_is_an_oom_kill() -> None:
    result = play(
        [flat("calm", 20), pod("jumps", [(0, 1), (105, 90)], 106)], cluster(), linear=False, seed=1
    )
    assert events(result, "oom-killed")[0] == (105.0, "oom-killed", "jumps")
    assert result.over_capacity


def test_slow_growth_is_an_eviction() -> None:
    result = play([flat("calm", 20, 900), pod("grows", [(0, 1), (600, 79.5)], 700)], cluster())
    assert events(result, "evicted", "oom-killed")[0][1] == "evicted"


def test_the_container_starts_again_in_its_pod_and_its_progress_is_lost() -> None:
    pods = [flat("calm", 20, 400), pod("jumps", [(0, 1), (105, 90)], 105 + 1)]
    result = play(pods, cluster(), linear=False, restart_delay=7.0, horizon=200)
    assert events(result, "oom-killed", "restarted", "bound")[-2:] == [
        (105.0, "oom-killed", "jumps"),
        (112.0, "restarted", "jumps"),
    ]
    assert result.lost_pod_seconds == 105.0


def test_what_its_class_adds_can_outweigh_size() -> None:
    pods = [
        pod("guaranteed", [(0, 1), (50, 60)], request=60, limit=60, cpu=1.0),
        flat("burstable", 30, request=30, cpu=1.0),
        flat("best-effort", 11),
    ]
    result = play(pods, cluster(pod_slots=9), linear=False, horizon=60)
    assert events(result, "oom-killed")[0] == (50.0, "oom-killed", "best-effort")


def test_a_container_over_its_own_limit_dies_though_the_node_is_empty() -> None:
    result = play([pod("leaks", [(0, 0), (100, 10)], 100, limit=5)], cluster(), horizon=70)
    assert events(result, "over-limit") == [(51.0, "over-limit", "leaks")]
    assert not result.over_capacity


def test_without_kills_only_the_seed_s_own_failure_is_seen() -> None:
    pods = [flat("calm", 20), pod("jumps", [(0, 1), (105, 90)], 160)]
    result = play(pods, cluster(kills=False), linear=False)
    assert result.over_capacity
    assert not result.failed
    assert result.peak_utilisation > 1


def test_reserved_memory_is_in_use_on_every_node() -> None:
    pods = [flat("calm", 20), pod("jumps", [(0, 1), (105, 70)], 160)]
    assert not play(pods, cluster(), linear=False).failed
    assert play(pods, cluster(reserved=15 * 2.0**30), linear=False, horizon=120).failed
