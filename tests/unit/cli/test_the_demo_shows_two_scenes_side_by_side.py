"""The demo's rescue: what it says of the two scenes, and when it says that a promise is broken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from podferry.cli import demo_scene, demo_verdict
from podferry.cli.demo_verdict import ClientSaw, Side
from podferry.cli.records import Failure, Record

WELL = ClientSaw(
    answers=900, last=900, processes=1, began_again_at=0, gap=0.8, wrong=0, unanswered=3
)
LOST = replace(WELL, processes=2, last=700, began_again_at=1)
MOVE: dict[str, Any] = {
    "metadata": {"name": "rescue-orders"},
    "spec": {"workloadRef": {"kind": "Pod", "name": "orders-5f9-x2"}},
    "status": {"phase": "Succeeded", "measured": {"freezeSeconds": 0.7}},
}


def act() -> Side:
    return Side(
        mode="Act",
        used=2800.0,
        capacity=3072.0,
        threshold=100.0,
        decided=15.0,
        evicted=None,
        evictions=(),
        oom_kills=(),
        moves=(MOVE,),
        clients={"orders": WELL, "reports": WELL},
        away="node-b",
    )


def dry() -> Side:
    return replace(
        act(),
        mode="DryRun",
        evicted=50.0,
        evictions=("orders",),
        moves=(),
        clients={"orders": LOST, "reports": WELL},
    )


def test_a_rescue_beside_an_eviction_is_what_was_promised() -> None:
    report = demo_verdict.judge(act(), dry())
    text = "\n".join(report.lines)
    assert report.problems == ()
    assert "moved orders to node-b at 15 s, frozen 0.7" in text
    assert "DryRun: would move at 15 s" in text
    assert "orders after 50 s" in text
    assert "counts 1 to 900 without a break" in text
    assert "counted to 700, then again from 1: lost" in text


def test_a_pod_that_is_lost_in_spite_of_podferry_is_a_failure() -> None:
    report = demo_verdict.judge(replace(act(), evictions=("reports",)), dry())
    assert any("reports was lost" in problem for problem in report.problems)


def test_no_eviction_without_podferry_is_a_failure_for_nothing_was_shown() -> None:
    report = demo_verdict.judge(act(), replace(dry(), evictions=()))
    assert any("nothing to rescue" in problem for problem in report.problems)


def test_a_client_that_was_answered_by_another_process_is_a_failure() -> None:
    side = replace(act(), clients={"orders": LOST, "reports": WELL})
    report = demo_verdict.judge(side, dry())
    assert any("2 processes" in problem for problem in report.problems)


def test_a_move_in_dry_run_is_a_failure() -> None:
    report = demo_verdict.judge(act(), replace(dry(), moves=(MOVE,)))
    assert any("DryRun" in problem for problem in report.problems)


def test_a_client_tells_gap_and_new_process() -> None:
    found = [
        *(Record(0.1 * k, "a", "h", k) for k in range(1, 6)),
        *(Record(3.0 + 0.1 * k, "b", "h", k) for k in range(1, 4)),
    ]
    saw = demo_verdict.client_of(found, [Failure(1.0, "refused")])
    assert (saw.processes, saw.last, saw.began_again_at, saw.wrong) == (2, 5, 1, 0)
    assert round(saw.gap, 1) == 2.6
    assert saw.unanswered == 1


def test_a_number_that_is_missing_is_counted() -> None:
    found = [Record(0.1 * k, "a", "h", k) for k in (1, 2, 4, 5)]
    assert demo_verdict.client_of(found, []).wrong == 1


def test_services_begin_so_large_that_the_same_room_is_left_on_every_node() -> None:
    sizes = demo_scene.starts(2700.0, 100.0)
    assert round(sum(sizes.values())) == 2700 - 100 - demo_scene.ROOM_MIB
    assert sizes["orders"] > sizes["reports"]


def test_an_eviction_is_known_by_what_kubelet_wrote_and_not_by_the_phase() -> None:
    condition = {"type": "DisruptionTarget", "reason": "TerminationByKubelet", "message": "low"}
    pod = {
        "metadata": {"name": "orders-1", "labels": {"app": "orders"}},
        "status": {"phase": "Succeeded", "conditions": [condition]},
    }
    other = {
        "metadata": {"name": "orders-2"},
        "status": {
            "phase": "Failed",
            "conditions": [{**condition, "reason": "EvictionByEvictionAPI"}],
        },
    }
    assert [each.pod for each in demo_scene.evictions([pod, other])] == ["orders-1"]


def test_a_container_that_the_kernel_killed_counts_once_before_and_after_its_restart() -> None:
    ended = {"terminated": {"reason": "OOMKilled", "containerID": "c1"}}
    statuses = [{"state": ended}, {"state": {"running": {}}, "lastState": ended}]
    pods = [{"metadata": {"name": "w"}, "status": {"containerStatuses": [one]}} for one in statuses]
    assert demo_scene.oom_kills(pods) == {"c1": "w"}


def test_the_growth_between_two_looks_of_kubelet_is_less_than_its_threshold() -> None:
    assert 10 * sum(demo_scene.GROWTH.values()) < 100


def test_the_policy_of_the_demo_is_one_that_the_controller_takes() -> None:
    from podferry.api import serde
    from podferry.api.rescue_policy import RescueMode
    from podferry.controller.core.rescue.valid import policy_of

    raw = demo_scene.policy("Act")
    raw["metadata"] |= {"uid": "u", "resourceVersion": "1", "creationTimestamp": ""}
    made = serde.parse_rescue_policy(raw)
    assert made.spec.mode is RescueMode.ACT
    assert policy_of(made.spec).period == 1.0


def test_a_move_that_was_taken_back_before_its_freeze_is_told_and_is_no_failure() -> None:
    back = {**MOVE, "status": {"phase": "RolledBack"}}
    report = demo_verdict.judge(replace(act(), moves=(back, MOVE)), dry())
    assert report.problems == ()
    (row,) = [line.split() for line in report.lines if "taken back" in line]
    assert row == ["moves", "taken", "back", "1", "none"]
