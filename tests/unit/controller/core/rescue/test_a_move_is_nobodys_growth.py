"""What a move does to the memory of its nodes is not read as growth."""

from __future__ import annotations

from dataclasses import replace

import pytest

from podferry.api.migration import ConditionStatus, Decision, Endpoint, Migration, MigrationStatus
from podferry.controller.core.rescue.shifts import SETTLE_SECONDS, Shift, shifts, undisturbed
from podferry.policies.memory import growth
from podferry.policies.vocabulary import Series
from tests.unit.controller.core.rescue.worlds import NOW, WALL, ago, migration

STEADY = tuple(float(second) for second in range(60))


def moved(**status: object) -> Migration:
    plain = MigrationStatus(
        phase="Releasing",
        decision=Decision.COMMITTED,
        source=Endpoint(node="node-a", pod="w-1", uid="u-1"),
        target=Endpoint(node="node-b", pod="w-2", uid="u-2"),
        frozen_at=ago(20.0),
        resumed_at=ago(15.0),
    )
    return replace(migration(), status=replace(plain, **status))  # type: ignore[arg-type]


def told(kind: str, value: str, seconds: float) -> ConditionStatus:
    return ConditionStatus(kind, value, "", "", ago(seconds))


def test_a_target_fills_from_the_freeze_to_the_resume() -> None:
    nodes, pods = shifts([moved()], now=NOW, wall=WALL)
    expected = Shift(pytest.approx(NOW - 20.0), pytest.approx(NOW - 15.0 + SETTLE_SECONDS))
    assert nodes["node-b"] == (expected,)
    assert pods == {"u-2": expected}


def test_with_post_copy_it_fills_until_the_last_page() -> None:
    nodes, _ = shifts([moved(conditions=(told("Paging", "True", 15.0),))], now=NOW, wall=WALL)
    assert nodes["node-b"][0].end == float("inf")
    nodes, _ = shifts([moved(conditions=(told("Paging", "False", 5.0),))], now=NOW, wall=WALL)
    assert nodes["node-b"][0].end == pytest.approx(NOW - 5.0 + SETTLE_SECONDS)


def test_a_source_empties_until_it_is_released() -> None:
    nodes, _ = shifts([moved()], now=NOW, wall=WALL)
    assert nodes["node-a"][0].end == float("inf")
    released = moved(conditions=(told("SourceReleased", "True", 8.0),))
    nodes, _ = shifts([released], now=NOW, wall=WALL)
    assert nodes["node-a"][0].end == pytest.approx(NOW - 8.0 + SETTLE_SECONDS)


def test_a_move_that_froze_nothing_and_one_of_long_ago_shift_nothing() -> None:
    old = moved(
        frozen_at=ago(2000.0),
        resumed_at=ago(1990.0),
        phase="Succeeded",
        conditions=(told("SourceReleased", "True", 1980.0),),
    )
    assert shifts([moved(frozen_at=""), old], now=NOW, wall=WALL) == ({}, {})


def test_one_that_was_rolled_back_ends_with_its_end() -> None:
    back = moved(phase="RolledBack", resumed_at="", completed_at=ago(10.0))
    nodes, _ = shifts([back], now=NOW, wall=WALL)
    assert {name: found[0].end for name, found in nodes.items()} == {
        "node-a": pytest.approx(NOW - 10.0 + SETTLE_SECONDS),
        "node-b": pytest.approx(NOW - 10.0 + SETTLE_SECONDS),
    }


def test_a_pod_that_arrives_is_no_growth_of_the_node() -> None:
    values = tuple(100.0 + second + (500.0 if second > 30 else 0.0) for second in STEADY)
    series = Series(STEADY, values)
    assert growth(series, 60.0) == pytest.approx((values[-1] - values[0]) / 59)
    assert growth(undisturbed(series, (Shift(28.0, 33.0),)), 60.0) == pytest.approx(1.0)


def test_while_it_arrives_and_right_after_the_samples_before_it_count() -> None:
    values = tuple(100.0 + second + max(0.0, second - 50.0) * 80.0 for second in STEADY)
    kept = undisturbed(Series(STEADY, values), (Shift(50.0, float("inf")),))
    assert kept.times[-1] == 49.0
    assert growth(kept, 60.0) == pytest.approx(1.0)
    late = undisturbed(Series(STEADY, values), (Shift(50.0, 56.5),))
    assert late.times[-1] == 49.0  # three samples after it are too few


def test_a_shift_between_two_samples_parts_them() -> None:
    series = Series((0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0), (1.0,) * 2 + (9.0,) * 5)
    assert undisturbed(series, (Shift(12.0, 18.0),)).times == (20.0, 30.0, 40.0, 50.0, 60.0)


def test_nothing_is_left_of_a_pod_whose_every_sample_is_of_its_arrival() -> None:
    assert len(undisturbed(Series((1.0, 2.0), (1.0, 2.0)), (Shift(0.0, 9.0),))) == 0


def test_without_moves_every_sample_counts() -> None:
    series = Series(STEADY, STEADY)
    assert undisturbed(series, ()) is series
