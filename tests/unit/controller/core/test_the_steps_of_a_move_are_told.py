"""`status.measured.phases`: only what was measured, never a negative time."""

from __future__ import annotations

from dataclasses import replace

from podferry.api.migration import ConditionStatus, MigrationStatus
from podferry.controller.core.finish import _phases

RELEASED = ConditionStatus("SourceReleased", "True", "Released", "", "2026-01-01T00:00:06Z")
STATUS = MigrationStatus(
    started_at="2026-01-01T00:00:00Z",
    frozen_at="2026-01-01T00:00:01Z",
    decided_at="2026-01-01T00:00:03Z",
    resumed_at="2026-01-01T00:00:03.25Z",
    conditions=(RELEASED,),
)


def test_steps_with_a_begin_and_an_end_are_told_in_order() -> None:
    told = [(item.name, item.seconds) for item in _phases(STATUS, 1.5)]
    assert told == [("Prepare", 1.0), ("Dump", 1.5), ("Resume", 0.25), ("Release", 2.75)]


def test_a_step_that_was_not_measured_is_left_out() -> None:
    assert [item.name for item in _phases(replace(STATUS, conditions=()), 0.0)] == [
        "Prepare",
        "Resume",
    ]


def test_clocks_that_disagree_make_no_negative_time() -> None:
    early = replace(STATUS, resumed_at="2026-01-01T00:00:02Z", conditions=())
    assert [item.name for item in _phases(early, 0.0)] == ["Prepare"]
