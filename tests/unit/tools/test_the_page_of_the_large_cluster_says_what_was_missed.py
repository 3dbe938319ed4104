"""The page says which target was missed, which nodes got no Migration, what was not measured."""

from __future__ import annotations

from typing import Any

from tools.bench_scale.page import page

MIB = 1 << 20


def state(cores: float, mib: int) -> dict[str, Any]:
    return {"seconds": 30.0, "cores": {"controller": cores, "kwok": 0.1},
            "rss": {"controller": mib * MIB, "kwok": MIB}, "peak": mib * MIB}  # fmt: skip


def figures(**more: Any) -> dict[str, Any]:
    return {
        "nodes": 1000, "pods": 30_000, "sync_seconds": 5.0, "running_seconds": 9.0,
        "etcd_bytes": MIB, "made_seconds": {"nodes": 1.0, "pods": 2.0},
        "rest": state(0.1, 300), "watching": state(0.2, 350), "pressed": state(0.25, 390), **more,
    }  # fmt: skip


def text(**more: Any) -> str:
    return page(figures(**more), "a machine", "python -m tools.bench_scale")


def test_both_goals_are_met() -> None:
    assert "0.25 cores, 390 MiB: processor: goal met; memory: goal met." in text()


def test_a_missed_goal_and_a_missed_target_are_told_apart() -> None:
    shown = text(pressed=state(0.9, 1500))
    assert "processor: target met, goal missed; memory: target missed." in shown


def test_a_state_that_was_not_measured_is_no_success() -> None:
    found = figures()
    del found["pressed"]
    shown = page(found, "a machine", "it")
    assert "no verdict" in shown
    assert "goal met" not in shown


def test_nodes_without_a_migration_are_counted() -> None:
    one = {"nodes": 50, "took": [1.0] * 48, "migrations": 48, "strangers": 2}
    shown = text(rounds=[one])
    assert "n = 48 of 50 nodes; 2 Migrations for nodes without pressure" in shown


def test_a_smaller_cluster_is_not_taken_for_the_full_one() -> None:
    assert "Not the full size" in text(pods=6000)
    assert "no verdict" in text(pods=6000)
    assert "Not the full size" not in text()
