"""Predictions: the prior until five moves were measured here, then the fit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podferry.api.migration import CopyMode, Migration, Prediction
from podferry.strategies.container.estimate import predict
from tests.unit.strategies.container.samples import GIB, NOW, move

STOP, POST = CopyMode.STOP_AND_COPY, CopyMode.POST_COPY


def _predict(size: int, *history: Migration, copy: CopyMode = STOP) -> Prediction:
    return predict(copy=copy, resident_bytes=size, history=history, now=NOW)


def test_the_prior_of_stop_and_copy_grows_with_the_memory() -> None:
    found = _predict(2 * GIB)
    assert found == Prediction(5.45, 8.72, 8.45, 2 * GIB, "prior (0 moves measured, 5 needed)")


@pytest.mark.parametrize("size", [0, GIB, 64 * GIB])
def test_the_prior_of_post_copy_is_flat(size: int) -> None:
    found = _predict(size, copy=POST)
    assert (found.freeze_p50_seconds, found.freeze_p95_seconds) == (0.55, 0.88)
    assert found.total_seconds == pytest.approx(3.55)


def test_four_moves_are_not_enough_and_the_source_says_so() -> None:
    found = _predict(GIB, *[move(GIB, 9.0)] * 4)
    assert found.source == "prior (4 moves measured, 5 needed)"
    assert found.freeze_p50_seconds == pytest.approx(2.95)


def test_moves_on_a_line_give_that_line() -> None:
    history = [move(n * GIB, 0.2 + 1.0 * n, minutes_ago=12 + n) for n in range(7)]
    found = _predict(10 * GIB, *history)
    assert found.freeze_p50_seconds == pytest.approx(10.2)
    assert found.freeze_p95_seconds == pytest.approx(10.2)
    assert found.total_seconds == pytest.approx(12.2)
    assert found.source == "fitted (n=7, newest 12 min old)"


def test_the_p95_is_the_quantile_of_the_residuals() -> None:
    sizes = [GIB, 2 * GIB] * 10
    history = [move(size, 1.0 + (0.5 if at >= 18 else 0.0)) for at, size in enumerate(sizes)]
    found = _predict(GIB, *history)
    assert found.freeze_p50_seconds == pytest.approx(1.0)
    assert found.freeze_p95_seconds == pytest.approx(1.5)


def test_moves_of_one_size_keep_the_slope_of_the_prior() -> None:
    found = _predict(2 * GIB, *[move(GIB, 1.0)] * 5)
    assert found.freeze_p50_seconds == pytest.approx(3.5)


def test_more_memory_is_never_predicted_to_take_less_time() -> None:
    history = [move(n * GIB, 5.0 - n) for n in range(5)]
    small, large = _predict(0, *history), _predict(9 * GIB, *history)
    assert small.freeze_p50_seconds == large.freeze_p50_seconds == pytest.approx(3.0)


@pytest.mark.parametrize(
    "other",
    [
        {"copy_mode": "PostCopy"},
        {"phase": "RolledBack"},
        {"measured": None},
        {"completed_at": ""},
        {"completed_at": "yesterday"},
    ],
)
def test_only_measured_succeeded_moves_of_the_same_mode_count(other: dict[str, Any]) -> None:
    history = [move(GIB, 1.0)] * 4
    assert _predict(GIB, *history, move(GIB, 1.0)).source.startswith("fitted (n=5")
    assert _predict(GIB, *history, move(GIB, 1.0, **other)).source.startswith("prior (4")


def test_the_size_that_was_known_beforehand_is_what_counts() -> None:
    def lazy(n: int) -> Migration:
        before = Prediction(0, 0, 0, n * GIB, "prior")
        return move(1, 0.5 + 0.1 * n, copy_mode="PostCopy", prediction=before)

    found = _predict(10 * GIB, *[lazy(n) for n in range(5)], copy=POST)
    assert found.freeze_p50_seconds == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("minutes", "age"), [(0.5, "30 s"), (90, "2 h"), (59, "59 min"), (3 * 1440, "3 d")]
)
def test_the_age_of_the_newest_move_is_told(minutes: float, age: str) -> None:
    old = [move(GIB, 1.0, minutes_ago=9999)] * 4
    found = _predict(GIB, *old, move(GIB, 1.0, minutes_ago=minutes))
    assert found.source == f"fitted (n=5, newest {age} old)"


def test_negative_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="resident_bytes is -1"):
        _predict(-1)


@given(
    st.lists(st.tuples(st.integers(0, 2**40), st.floats(0.01, 600)), min_size=5, max_size=20),
    st.integers(0, 2**40),
)
def test_every_prediction_is_ordered_and_positive(
    moves: list[tuple[int, float]], size: int
) -> None:
    found = _predict(size, *[move(one, freeze) for one, freeze in moves])
    assert 0 < found.freeze_p50_seconds <= found.freeze_p95_seconds
    assert found.total_seconds >= found.freeze_p50_seconds


def test_a_move_that_keeps_the_name_is_predicted_from_its_own_kind() -> None:
    history = tuple(move(GIB, 9.0) for _ in range(6))
    found = predict(copy=STOP, resident_bytes=GIB, history=history, now=NOW, same_name=True)
    assert found.source == "prior (0 moves measured, 5 needed)"
    assert found.freeze_p50_seconds == pytest.approx(2.95 + 0.9)
