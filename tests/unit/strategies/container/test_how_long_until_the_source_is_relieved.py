"""The cost of a move for a policy: until the memory of the source is free, 95th percentile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from podferry.api.migration import CopyMode, Measured, Migration
from podferry.strategies.container.estimate import GIB, Cost, fit, predict
from podferry.strategies.container.moves import records
from tests.unit.strategies.container.samples import NOW, move

STOP = CopyMode.STOP_AND_COPY


def cost(moves: Iterable[Migration], size: int = GIB, *, same_name: bool = False) -> Cost:
    history = records(replace(one, uid=str(at)) for at, one in enumerate(moves))
    return fit(STOP, history, NOW, same_name=same_name).cost(size)


def took(freeze: float, around: float) -> Migration:
    measured = Measured(freeze_seconds=freeze, total_seconds=freeze + around, bytes=GIB)
    return move(GIB, freeze, measured=measured)


def test_before_any_move_it_is_the_prior_and_says_so() -> None:
    assert cost([]) == Cost(2.2, 5.7, 13.7, "prior (0 moves measured, 5 needed)", 0, None)
    assert cost([], same_name=True).total_p95 == pytest.approx(8.4 + 3.0)


def test_with_too_few_moves_it_is_the_prior_but_they_are_counted() -> None:
    found = cost([took(1.0, 90.0)] * 4)
    assert (found.total_p95, found.n, found.newest_age) == (13.7, 4, 12 * 60.0)


def test_measured_preparation_and_release_are_added_to_the_freeze_s_95th_percentile() -> None:
    found = cost([took(1.0, 10.0)] * 20)
    assert found == Cost(1.0, 1.15, 11.15, "measured (n=20, newest 12 min old)", 20, 720.0)


def test_of_many_moves_a_slow_one_in_twenty_does_not_count_and_two_do() -> None:
    usual = [took(1.0, 2.0)] * 40
    assert cost(usual + [took(1.0, 60.0)] * 2).total_p95 < 4
    assert cost(usual + [took(1.0, 60.0)] * 4).total_p95 > 60


def test_of_few_moves_the_prior_counts_as_one_more() -> None:
    found = cost([took(1.0, 2.0)] * 5)
    assert 2.0 < found.total_p95 - found.freeze_p95 < 8.0


@pytest.mark.parametrize("count", [0, 4, 5, 30])
@pytest.mark.parametrize("size", [0, 3 << 20, GIB, 9 * GIB])
def test_its_freeze_is_what_a_migration_of_that_size_is_predicted(count: int, size: int) -> None:
    moves = [move((n + 1) * GIB, 1.0 + n) for n in range(count)]
    history = records(replace(one, uid=str(at)) for at, one in enumerate(moves))
    found = fit(STOP, history, NOW).cost(size)
    told = predict(copy=STOP, resident_bytes=size, history=history, now=NOW)
    assert (found.freeze_p50, found.freeze_p95, found.source) == (
        told.freeze_p50_seconds, told.freeze_p95_seconds, told.source,
    )  # fmt: skip
