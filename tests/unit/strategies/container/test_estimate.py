"""Predictions: the prior until five moves were measured here, then the fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podferry.api.migration import CopyMode, Migration, Prediction
from podferry.strategies.container.estimate import predict
from podferry.strategies.container.moves import MoveRecord, record
from tests.unit.strategies.container.samples import GIB, NOW, move

STOP, POST = CopyMode.STOP_AND_COPY, CopyMode.POST_COPY


def _kept(history: Iterable[Migration]) -> tuple[MoveRecord, ...]:
    return tuple(found for each in history if (found := record(each)) is not None)


def _predict(size: int, *history: Migration, copy: CopyMode = STOP) -> Prediction:
    return predict(copy=copy, resident_bytes=size, history=_kept(history), now=NOW)


def test_the_prior_of_stop_and_copy_grows_with_the_memory() -> None:
    found = _predict(2 * GIB)
    assert found == Prediction(4.0, 10.2, 7.0, 2 * GIB, "prior (0 moves measured, 5 needed)")


def test_the_prior_of_post_copy_hardly_grows() -> None:
    found = _predict(4 * GIB, copy=POST)
    assert (found.freeze_p50_seconds, found.freeze_p95_seconds) == (0.8, 2.4)
    assert found.total_seconds == pytest.approx(3.8)


MEASURED = [  # docs/reference/benchmarks.csv: copy, name kept, MiB, median and longest freeze [s]
    (STOP, False, 64, 0.43, 0.45),
    (STOP, False, 256, 0.73, 0.96),
    (STOP, False, 1024, 1.84, 1.97),
    # Longest: a second, short run in which the restore read from the disk.
    (STOP, False, 2048, 4.71, 9.64),
    (STOP, True, 64, 1.19, 1.21),
    (STOP, True, 256, 1.55, 1.79),
    (STOP, True, 1024, 4.67, 5.21),
    (STOP, True, 2048, 6.76, 12.80),
    (POST, False, 64, 0.37, 0.39),
    (POST, False, 256, 0.43, 0.51),
    (POST, False, 1024, 0.44, 0.46),
    (POST, False, 2048, 0.48, 0.55),
]


@pytest.mark.parametrize(("copy", "same_name", "mib", "middle", "longest"), MEASURED)
def test_the_prior_holds_for_what_was_measured(
    copy: CopyMode, same_name: bool, mib: int, middle: float, longest: float
) -> None:
    found = predict(copy=copy, resident_bytes=mib << 20, history=(), now=NOW, same_name=same_name)
    assert middle * 0.8 <= found.freeze_p50_seconds <= middle * 1.5
    assert longest <= found.freeze_p95_seconds


def test_four_moves_are_not_enough_and_the_source_says_so() -> None:
    found = _predict(GIB, *[move(GIB, 9.0)] * 4)
    assert found.source == "prior (4 moves measured, 5 needed)"
    assert found.freeze_p50_seconds == pytest.approx(2.2)


def test_moves_on_a_line_give_that_line() -> None:
    history = [move(n * GIB, 0.2 + 1.0 * n, minutes_ago=12 + n) for n in range(7)]
    found = _predict(10 * GIB, *history)
    assert found.freeze_p50_seconds == pytest.approx(10.2)
    assert found.total_seconds == pytest.approx(12.2)
    assert found.source == "measured (n=7, newest 12 min old)"


def test_the_p95_is_the_quantile_of_the_residuals() -> None:
    sizes = [GIB, 2 * GIB] * 10
    history = [move(size, 1.0 + (0.5 if at >= 18 else 0.0)) for at, size in enumerate(sizes)]
    found = _predict(GIB, *history)
    assert found.freeze_p50_seconds == pytest.approx(1.0)
    assert found.freeze_p95_seconds == pytest.approx(1.5)


def test_moves_of_one_size_keep_the_slope_of_the_prior() -> None:
    found = _predict(2 * GIB, *[move(GIB, 1.0)] * 5)
    assert found.freeze_p50_seconds == pytest.approx(2.8)


def test_one_move_alone_at_another_size_does_not_make_the_slope() -> None:
    found = _predict(2 * GIB, *[move(GIB, 1.0)] * 5, move(4 * GIB, 400.0))
    assert found.freeze_p50_seconds == pytest.approx(2.8)
    found = _predict(2 * GIB, *[move(GIB, 1.0)] * 5, *[move(4 * GIB, 4.0)] * 2)
    assert found.freeze_p50_seconds == pytest.approx(2.0)


def test_only_the_newest_fifty_moves_count() -> None:
    old = [move(GIB, 9.0, minutes_ago=99)] * 60
    found = _predict(GIB, *old, *[move(GIB, 1.0)] * 50)
    assert (found.freeze_p50_seconds, found.source) == (1.0, "measured (n=50, newest 12 min old)")


def test_a_noisy_machine_has_no_stray_moves() -> None:
    """Freezes of real moves of 256 MiB on two cores with a load of 20."""
    noisy = [move(GIB // 4, freeze) for freeze in (1.80, 2.08, 2.11, 3.24, 2.75)]
    found = _predict(GIB // 4, *noisy)
    assert found.freeze_p50_seconds == pytest.approx(2.11)
    assert 3.24 < found.freeze_p95_seconds < 5.5


def test_one_stray_move_of_a_few_is_left_out_of_the_p95_but_two_are_not() -> None:
    few = [move(GIB, 1.0)] * 6
    assert _predict(GIB, *few, move(GIB, 9.0)).freeze_p95_seconds < 2.3
    assert _predict(GIB, *few, *[move(GIB, 9.0)] * 2).freeze_p95_seconds == pytest.approx(9.0)


def test_the_p95_comes_nearer_with_every_equal_move() -> None:
    found = [_predict(GIB, *[move(GIB, 1.0)] * n).freeze_p95_seconds for n in (5, 10, 15, 20)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 1.7
    assert found[-1] == pytest.approx(1.15)


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
    assert _predict(GIB, *history, move(GIB, 1.0)).source.startswith("measured (n=5")
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
    assert found.source == f"measured (n=5, newest {age} old)"


def test_negative_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="resident_bytes is -1"):
        _predict(-1)


MOVES = st.lists(st.tuples(st.integers(0, 2**40), st.floats(0.01, 600)), min_size=5, max_size=60)


@given(MOVES, st.integers(0, 2**40), st.integers(0, 2**40))
def test_every_prediction_is_positive_ordered_and_grows_with_the_memory(
    moves: list[tuple[int, float]], size: int, more: int
) -> None:
    history = [move(one, freeze) for one, freeze in moves]
    found, larger = _predict(size, *history), _predict(size + more, *history)
    for one in (found, larger):
        assert one.source.startswith("measured (n=")
        assert 0 < one.freeze_p50_seconds <= one.freeze_p95_seconds
        assert one.total_seconds >= one.freeze_p50_seconds
    assert found.freeze_p50_seconds <= larger.freeze_p50_seconds
    assert found.freeze_p95_seconds <= larger.freeze_p95_seconds


@given(
    st.lists(st.floats(0.95, 1.05), min_size=12, max_size=18),
    st.integers(0, 17),
    st.floats(2, 500),
)
def test_one_stray_move_does_not_wreck_the_prediction(
    noise: list[float], stray: int, times: float
) -> None:
    sizes = [(1 << at % 6) * GIB // 16 for at in range(len(noise))]
    freezes = [(0.6 + 2.3 * size / GIB) * much for size, much in zip(sizes, noise, strict=True)]
    freezes[stray % len(noise)] *= times
    found = _predict(GIB, *map(move, sizes, freezes))
    assert found.freeze_p50_seconds == pytest.approx(2.9, rel=0.15)
    assert found.freeze_p95_seconds < 2.9 * 2.5


def test_a_move_that_keeps_the_name_is_predicted_from_its_own_kind() -> None:
    history = _kept(move(GIB, 9.0) for _ in range(6))
    found = predict(copy=STOP, resident_bytes=GIB, history=history, now=NOW, same_name=True)
    assert found.source == "prior (0 moves measured, 5 needed)"
    assert found.freeze_p50_seconds == pytest.approx(4.0)


@pytest.mark.parametrize("copy", [CopyMode.STOP_AND_COPY, CopyMode.POST_COPY])
def test_files_lengthen_the_freeze_in_either_mode(copy: CopyMode) -> None:
    def p95(files: int) -> float:
        found = predict(copy=copy, resident_bytes=GIB, file_bytes=files, history=(), now=NOW)
        return found.freeze_p95_seconds

    assert p95(10 * GIB) > p95(0) + 10
