"""The demo fails when one of its promises does not hold: each test breaks one."""

from __future__ import annotations

from typing import Any

import yaml

from podferry.cli import demo, demo_world, records
from tests.unit.cli.conftest import moved

SUM = ("00ff", "00ff")


def move(began: float, status: dict[str, Any] | None = None) -> demo.Move:
    made = {"metadata": {"name": "m"}, "spec": {}, "status": status or moved()}
    return demo.Move(made, began)


def seen(numbers: list[int]) -> list[records.Record]:
    return [records.Record(10 + n * 0.005, "b1", "web-1", n) for n in numbers]


def judge(
    found: list[records.Record],
    *,
    after: tuple[str, str] = SUM,
    moves: list[demo.Move] | None = None,
) -> demo.Report:
    chosen = [move(10.0)] if moves is None else moves
    return demo.judge(chosen, records.check(found), found, before=SUM, after=after)


def test_all_promises_kept_is_no_problem() -> None:
    report = judge(seen(list(range(1, 101))))
    assert report.problems == ()
    text = "\n".join(report.lines)
    assert "1 ... 100: 100, each exactly once and in order" in text
    assert "checksum 00ff as expected" in text
    assert "node-a -> node-b, StopAndCopy, 258.0 MiB moved in 4.210 s" in text
    assert "freeze     0.912 s, predicted 0.900 s (95 % below 1.300 s; prior)" in text
    assert "pods         web-1 -> web-2" in text


def test_the_gap_of_a_move_is_in_its_line() -> None:
    found = [*seen([1, 2]), records.Record(11.51, "b1", "web-2", 3)]
    report = judge(found)
    assert "1500 ms without an answer: the freeze and 588 ms until" in report.lines[-1]


def test_the_gap_of_the_next_move_is_not_counted_as_this_one_s() -> None:
    times = {3: 10.9, 4: 10.94, 5: 10.96, 6: 15.0}
    found = [*seen([1, 2]), *(records.Record(at, "b1", "w", n) for n, at in times.items())]
    lines = judge(found, moves=[move(10.0), move(10.95)]).lines
    assert " 890 ms without an answer" in lines[-2]
    assert " 4040 ms without an answer" in lines[-1]


def test_a_missing_number_is_a_problem() -> None:
    assert judge(seen([1, 2, 4])).problems == ("1 numbers are missing: 3",)


def test_other_memory_is_a_problem() -> None:
    problems = judge(seen([1, 2]), after=("0bad", "00ff")).problems
    assert problems == ("memory checksum 0bad, expected 00ff (at first 00ff)",)


def test_memory_that_is_right_by_the_wrong_expectation_is_a_problem() -> None:
    assert judge(seen([1, 2]), after=("0bad", "0bad")).problems


def test_a_move_without_a_measured_freeze_is_a_problem() -> None:
    status = moved()
    del status["measured"]
    problems = judge(seen([1, 2]), moves=[move(10, status)]).problems
    assert problems == ("move 1: no freeze was measured",)


def test_a_move_without_a_prediction_is_a_problem() -> None:
    status = moved()
    del status["prediction"]
    problems = judge(seen([1, 2]), moves=[move(10, status)]).problems
    assert problems == ("move 1: no freeze was predicted",)


def test_the_service_opts_in_by_its_label_and_keeps_the_memory_that_is_asked_for() -> None:
    objects = list(yaml.safe_load_all(demo_world.manifests(mb=256, rate=5)))
    (deployment,) = [item for item in objects if item["kind"] == "Deployment"]
    template = deployment["spec"]["template"]
    assert template["metadata"]["labels"]["podferry.dev/migratable"] == "true"
    assert {"name": "MB", "value": "256"} in template["spec"]["containers"][0]["env"]


def test_the_way_on_names_the_lab() -> None:
    text = demo.how_to_go_on("demo", "move")
    assert "podferry lab kubectl --name demo -- get pods,migrations -n demo" in text
    assert "podferry lab down --name demo" in text
