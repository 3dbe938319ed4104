"""Shares and means with their 95 % intervals; none of nothing is not no risk."""

from __future__ import annotations

import random

import pytest

from podferry.simulator import statistics


def test_no_failure_in_500_runs_still_leaves_three_quarters_of_a_per_cent() -> None:
    share = statistics.share(0, 500)
    assert share.bootstrap.high == 0.0
    assert share.upper == pytest.approx(1 - 0.025 ** (1 / 500))
    assert 0.0073 < share.upper < 0.0074


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [
        (1, 20, 0.001265, 0.248733),  # Clopper and Pearson's tables
        (5, 10, 0.187086, 0.812914),
        (10, 10, 0.691503, 1.0),
        (3, 1000, 0.000619, 0.008742),
    ],
)
def test_the_exact_interval_is_that_of_the_tables(
    hits: int, count: int, low: float, high: float
) -> None:
    exact = statistics.share(hits, count).exact
    assert exact.low == pytest.approx(low, abs=2e-6)
    assert exact.high == pytest.approx(high, abs=2e-6)


def test_the_bootstrap_of_a_share_is_what_resampling_gives() -> None:
    hits, count = 30, 200
    draw = random.Random(1)
    drawn = sorted(sum(draw.random() < hits / count for _ in range(count)) for _ in range(4000))
    found = statistics.share(hits, count).bootstrap
    assert found.low == pytest.approx(drawn[100] / count, abs=0.006)
    assert found.high == pytest.approx(drawn[3899] / count, abs=0.006)


def test_an_interval_of_a_mean_holds_the_mean_and_narrows_with_more_runs() -> None:
    draw = random.Random(2)
    few, many = ([draw.gauss(10, 3) for _ in range(n)] for n in (30, 3000))
    narrow, wide = statistics.mean(many), statistics.mean(few)
    assert wide.low < wide.value < wide.high
    assert narrow.high - narrow.low < wide.high - wide.low
    assert narrow.high - narrow.low == pytest.approx(2 * 1.96 * 3 / 3000**0.5, rel=0.15)


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert statistics.mean([2.0, 2.0]) == statistics.Interval(2.0, 2.0, 2.0)


def test_the_same_runs_give_the_same_interval() -> None:
    assert statistics.mean([1.0, 2.0, 5.0]) == statistics.mean([1.0, 2.0, 5.0])


@pytest.mark.parametrize(("hits", "count"), [(0, 0), (2, 1), (-1, 5)])
def test_a_share_of_nothing_is_refused(hits: int, count: int) -> None:
    with pytest.raises(ValueError, match="is no share"):
        statistics.share(hits, count)
