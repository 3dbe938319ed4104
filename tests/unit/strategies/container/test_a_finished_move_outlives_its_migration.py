"""What is kept of a finished move: what the model needs, and only of moves that say something."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from podferry.api.migration import CopyMode, OwnerRef, Prediction
from podferry.strategies.container.estimate import predict
from podferry.strategies.container.moves import (
    MOST_RECORDS,
    MoveRecord,
    merged,
    record,
    records,
)
from tests.unit.strategies.container.samples import GIB, NOW, move


def kept(uid: str = "u", **fields: Any) -> MoveRecord:
    found = record(replace(move(GIB, 1.5), uid=uid))
    assert found is not None
    return replace(found, **fields)


def test_a_record_is_the_same_after_it_was_written_down() -> None:
    one = kept(freeze=0.1 + 0.2, total=1 / 3)
    assert MoveRecord.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_a_record_names_neither_workload_nor_node() -> None:
    assert set(kept().to_dict()) == {
        "uid", "copy", "sameName", "bytes", "freeze", "total", "prepare", "at",
    }  # fmt: skip


def test_what_was_predicted_from_is_what_counts_as_its_size() -> None:
    before = Prediction(1.0, 2.0, 3.0, 2 * GIB, "prior")
    found = record(move(GIB, 1.0, prediction=before))
    assert found is not None
    assert found.bytes == 2 * GIB


@pytest.mark.parametrize(
    ("owner", "same_name"),
    [(OwnerRef("ReplicaSet", "a", "o"), False), (OwnerRef("StatefulSet", "a", "o"), True),
     (None, True)],
)  # fmt: skip
def test_whether_the_pod_kept_its_name_is_kept(owner: OwnerRef | None, same_name: bool) -> None:
    found = record(move(GIB, 1.0, owner=owner))
    assert found is not None
    assert found.same_name is same_name


@pytest.mark.parametrize(
    "status", [{"phase": "RolledBack"}, {"phase": "Freezing"}, {"measured": None},
               {"completed_at": ""}, {"completed_at": "yesterday"}],
)  # fmt: skip
def test_a_move_that_did_not_succeed_or_was_not_measured_is_not_kept(
    status: dict[str, Any],
) -> None:
    assert record(move(GIB, 1.0, **status)) is None
    assert records([move(GIB, 1.0, **status)]) == ()
    assert record(move(GIB, 0.0)) is None


def test_a_move_known_twice_counts_once_and_the_newest_come_first() -> None:
    old, new = kept("old"), record(replace(move(GIB, 1.0, minutes_ago=1), uid="new"))
    assert new is not None
    assert merged([old], [new, old]) == (new, old)


def test_only_the_newest_are_kept() -> None:
    many = [
        found
        for n in range(MOST_RECORDS + 5)
        if (found := record(replace(move(GIB, 1.0, minutes_ago=n), uid=str(n))))
    ]
    assert merged(reversed(many)) == tuple(many[:MOST_RECORDS])


def test_predictions_from_what_was_written_down_are_the_same_to_the_last_bit() -> None:
    moves = records(
        replace(move(n * GIB, 0.3 + 1.7 * n, minutes_ago=n), uid=str(n)) for n in range(1, 9)
    )
    again = tuple(MoveRecord.from_dict(json.loads(json.dumps(one.to_dict()))) for one in moves)
    for history in (moves, again):
        found = predict(
            copy=CopyMode.STOP_AND_COPY, resident_bytes=5 * GIB, history=history, now=NOW
        )
        assert found.freeze_p50_seconds == pytest.approx(8.8)
    assert again == moves


@pytest.mark.parametrize(
    ("field", "value"),
    [("freeze", 0), ("freeze", float("nan")), ("freeze", "1"), ("freeze", True), ("total", -1),
     ("bytes", 1 << 60), ("copy", "Teleport"), ("uid", ""), ("at", "yesterday"),
     ("prepare", None)],
)  # fmt: skip
def test_nonsense_that_was_kept_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        MoveRecord.from_dict({**kept().to_dict(), field: value})
    with pytest.raises(ValueError, match="a move is an object"):
        MoveRecord.from_dict([])
