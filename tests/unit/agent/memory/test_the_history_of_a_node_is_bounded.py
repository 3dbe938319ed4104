"""What is kept of samples, and the slopes made of them."""

from __future__ import annotations

import pytest

from podferry.agent.memory.cgroups import Reading
from podferry.agent.memory.history import LENGTH, History


def filled(count: int, used: float = 100.0, growth: float = 0.0) -> History:
    history = History()
    for step in range(count):
        value = used + growth * step
        history.add(float(step), value, {"a": Reading(int(value), 0)}, Reading(0, 0))
    return history


def test_the_oldest_samples_give_way() -> None:
    history = filled(LENGTH + 10)
    assert history.seq == LENGTH + 9
    assert len(list(history.node(-1, 0.0))) == LENGTH
    assert len(list(history.of(history.pods["a"], -1, 0.0))) == LENGTH
    assert not history.has(9)
    assert history.has(10)
    assert [moment for moment, _ in history.node(LENGTH + 7, 0.0)] == [LENGTH + 8, LENGTH + 9]


@pytest.mark.parametrize("growth", [5.0, -5.0, 0.0])
def test_a_slope_is_that_of_the_last_seconds(growth: float) -> None:
    history = filled(LENGTH + 100, growth=growth)
    assert history.slope(history.seq) == pytest.approx(growth)
    assert history.slope_of(history.pods["a"]) == pytest.approx(growth)
    for step in range(16):
        history.add(2000.0 + step, 7.0, {"a": Reading(7, 0)}, Reading(0, 0))
    assert history.slope(history.seq) == pytest.approx(0)


def test_two_samples_have_no_slope() -> None:
    assert filled(2, growth=9.0).slope(1) == 0
    assert filled(3, growth=9.0).slope(2) == pytest.approx(9)


def test_a_reading_that_is_missing_leaves_the_slope() -> None:
    history = filled(5, growth=3.0)
    history.add(5.0, 0.0, {"a": None}, Reading(0, 0))
    history.add(6.0, 0.0, {"a": Reading(118, 0)}, Reading(0, 0))
    pod = history.pods["a"]
    assert history.slope_of(pod) == pytest.approx(3)
    assert [moment for moment, _ in history.of(pod, 3, 0.0)] == [4.0, 6.0]


def test_a_pod_that_comes_back_under_its_uid_begins_anew() -> None:
    history = filled(5)
    history.add(5.0, 0.0, {}, Reading(0, 0))
    assert (history.pods, history.came_or_went) == ({}, 5)
    history.add(6.0, 0.0, {"a": Reading(1, 0)}, Reading(0, 0))
    assert history.pods["a"].first == 6.0
    assert len(list(history.of(history.pods["a"], -1, 0.0))) == 1
