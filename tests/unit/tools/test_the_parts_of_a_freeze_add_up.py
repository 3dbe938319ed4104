"""Every second of a freeze belongs to one part."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tools.bench import share

UID = "c2b9fb77-22d6-4202-949d-e3744749cbd2"
SOURCE = {"frozenAt": 100.0, "pauseSeconds": 0.01, "dumpSeconds": 0.5, "transferSeconds": 0.02}
TARGET = {"resumedAt": 101.0}
MARKS: dict[str, dict[str, Any]] = {"restored": {"seconds": 0.2}}
FINAL = {**MARKS, "final-claim": {"at": 100.98}, "final-restored": {"seconds": 0.015}}


def line(role: str, stage: str, event: str, at: float, uid: str = UID) -> dict[str, Any]:
    stamp = datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
    return {"migration": uid, "role": role, "stage": stage, "event": event, "timestamp": stamp}


LINES = [
    line("source", "Frozen", "order accepted", 99.9),
    line("source", "Frozen", "stage reached", 100.55),
    line("target", "Rehearsed", "order accepted", 100.58),
    line("target", "Rehearsed", "stage reached", 100.83),
    line("source", "Sealed", "order accepted", 100.86),
    line("source", "Sealed", "stage reached", 100.87),
    line("target", "Resumed", "order accepted", 100.97),
    line("target", "Resumed", "stage reached", 101.05),
]
STAGES = share.stages(LINES, UID)


@pytest.mark.parametrize("marks", [MARKS, FINAL])
def test_their_sum_is_the_freeze(marks: dict[str, dict[str, Any]]) -> None:
    assert sum(share.parts(SOURCE, TARGET, marks, STAGES).values()) == pytest.approx(1.0)


def test_ours_is_the_freeze_without_pause_dump_and_restore() -> None:
    found = share.parts(SOURCE, TARGET, MARKS, STAGES)
    assert share.own(found) == pytest.approx(1.0 - 0.01 - 0.5 - 0.2)


def test_a_kept_name_leaves_the_new_pod_and_its_restore_to_kubelet_and_criu() -> None:
    found = share.parts(SOURCE, TARGET, FINAL, STAGES)
    assert share.own(found) == pytest.approx(1.0 - 0.01 - 0.5 - 0.2 - 0.01 - 0.015)


def test_every_part_is_described() -> None:
    found = share.parts(SOURCE, TARGET, FINAL, STAGES)
    assert set(found) == {part.name for part in share.PARTS}


def test_the_lines_of_another_move_are_not_taken() -> None:
    other = line("target", "Rehearsed", "order accepted", 1.0, uid="other")
    assert share.stages([other, *LINES], UID) == STAGES


def test_a_repeated_order_does_not_move_its_first_acceptance() -> None:
    again = line("target", "Resumed", "order accepted", 100.99)
    assert share.stages([*LINES, again], UID) == STAGES


def test_a_missing_stage_is_an_error_and_no_zero() -> None:
    with pytest.raises(KeyError):
        share.parts(SOURCE, TARGET, MARKS, share.stages(LINES[:-2], UID))
