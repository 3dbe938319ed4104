"""What the study calls lost, a lead, a false alarm; and that its page shows its CSV files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools.rescue_study import outcome, page, predicted, record
from tools.rescue_study.outcome import Answer, NodeSample, Raw


def raw(**more: Any) -> Raw:
    made = Raw(
        began=1000.0,
        nodes={
            "node-a": [NodeSample(1000.0 + k, 1000.0 + 10 * k, 900.0 + 10 * k) for k in range(100)],
            "node-b": [NodeSample(1000.0 + k, 500.0, 400.0) for k in range(100)],
        },
        answers=[],
        capacity=2000.0,
        threshold=100.0,
    )
    for name, value in more.items():
        setattr(made, name, value)
    return made


def move(source: str, phase: str = "Succeeded", **measured: float) -> dict[str, Any]:
    return {
        "metadata": {"creationTimestamp": "1970-01-01T00:17:00Z"},
        "spec": {"workloadRef": {"name": "w"}},
        "status": {
            "phase": phase,
            "copy": "PostCopy",
            "source": {"node": source},
            "startedAt": "1970-01-01T00:17:00Z",
            "frozenAt": "1970-01-01T00:17:03Z",
            "completedAt": "1970-01-01T00:17:10Z",
            "measured": measured,
        },
    }


def test_progress_is_lost_where_another_process_answers() -> None:
    answers = [
        Answer(1.0, "a", "x", 50.0),
        Answer(2.0, "a"),
        Answer(3.0, "a", "y", 1.0),
        Answer(3.0, "b", "z", 70.0),
        Answer(4.0, "b", "z", 71.0),
    ]
    assert outcome.lost_seconds(answers) == 50.0
    assert outcome.longest_gap(answers) == 2.0


def test_lead_is_from_the_first_decision_to_the_first_sample_below_the_threshold() -> None:
    assert outcome.lead(raw(wanted={"node-a": 1060.0})) == 31.0
    assert outcome.lead(raw(wanted={"node-b": 1060.0})) is None
    assert outcome.lead(raw()) is None


def test_a_move_off_a_node_that_lost_nobody_without_podferry_is_a_false_alarm() -> None:
    off = raw(evicted={"u1": "node-a"})
    assert outcome.false_alarms(raw(moves=[move("node-a"), move("node-b")]), off) == 1
    assert outcome.false_alarms(raw(moves=[move("node-b")]), None) is None


def test_extra_memory_is_what_is_beside_the_pods_in_a_move_above_the_median_before_it() -> None:
    samples = [
        NodeSample(1000.0 + k, 1000.0 + (80.0 if k == 25 else 0.0), 900.0) for k in range(60)
    ]
    assert outcome.extra(raw(nodes={"node-a": samples}, moves=[move("node-a")])) == 80.0
    assert outcome.extra(raw()) is None


def timed(freeze: float) -> record.Row:
    made = raw(moves=[move("node-a", freezeSeconds=freeze, totalSeconds=8.0, bytes=2**30)])
    (row,) = record.move_rows("t", 0, "Act", made)
    return row


def test_the_model_of_moves_is_that_of_the_measured_ones() -> None:
    fitted = predicted.fit([timed(0.6)] * 3)
    assert fitted.moves == 3
    assert fitted.model.post_copy
    assert round(fitted.model.seconds, 3) == 0.6
    assert fitted.model.prepare == 3.0
    assert round(fitted.model.per_gib, 1) == 4.4


def test_without_a_measured_move_the_simulator_keeps_its_own_model() -> None:
    assert predicted.fit([timed(0.0)]).moves == 0


def test_a_cell_that_is_measured_again_replaces_its_rows_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    head = {"trace": "t", "seed": "0"}
    record.merge(path, [{**head, "mode": "off", "n": "1"}, {**head, "mode": "Act", "n": "2"}])
    record.merge(path, [{**head, "mode": "Act", "n": "3"}])
    assert [row["n"] for row in record.read(path)] == ["3", "1"]


def test_the_page_shows_what_the_csv_files_say() -> None:
    text = page.PAGE.read_text()
    assert page.filled(text, page.parts(page.FOLDER)) == text
