"""Median, quartiles and ratios, also where there is little or nothing."""

from __future__ import annotations

from tools.bench.stats import Spread, differences, ratio_of_medians, spread


def test_a_spread_has_quartiles_of_the_values_themselves() -> None:
    assert spread([5.0, 1.0, 2.0, 4.0, 3.0]) == Spread(5, 1.0, 2.0, 3.0, 4.0, 5.0)


def test_one_value_is_its_own_spread() -> None:
    assert spread([2.5]) == Spread(1, 2.5, 2.5, 2.5, 2.5, 2.5)


def test_no_value_has_no_spread() -> None:
    assert spread([]) is None


def test_the_ratio_is_of_medians_so_one_outlier_does_not_move_it() -> None:
    assert ratio_of_medians([2.0, 2.0, 90.0], [4.0, 4.0, 4.0]) == 0.5


def test_there_is_no_ratio_to_nothing() -> None:
    assert ratio_of_medians([1.0], []) is None
    assert ratio_of_medians([], [1.0]) is None
    assert ratio_of_medians([1.0], [0.0]) is None


def test_a_difference_is_taken_within_its_pair() -> None:
    assert differences([(1.0, 1.5), (10.0, 10.25)]) == [0.5, 0.25]
