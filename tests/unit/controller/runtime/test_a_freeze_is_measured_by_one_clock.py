"""Clocks of two nodes that disagree do not falsify the freeze; clocks that agree are left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podferry.controller.runtime.agent_clocks import GOOD_SECONDS, AgentClocks
from podferry.wire.stages import Observed, Progress, Role

WHERE, BASE = "10.0.0.1", 1_750_000_000.0


def answer(**facts: float) -> Observed:
    return Observed("m", 1, Role.SOURCE, "Frozen", "Frozen", Progress.REACHED, facts=facts)


def hear(clocks: AgentClocks, ahead: float, there: float, back: float, at: float = 0.0) -> None:
    """An answer that took `there` and `back` [s], of an agent whose clock is ahead."""
    told = f"{BASE + at + there + ahead:.6f}"
    clocks.heard(WHERE, told, sent=BASE + at, received=BASE + at + there + back, at=at)


@pytest.mark.parametrize("ahead", [-7.0, -0.5, 0.5, 3600.0])
def test_moments_of_an_agent_that_is_off_are_given_by_our_clock(ahead: float) -> None:
    clocks = AgentClocks()
    hear(clocks, ahead, 0.002, 0.002)
    ours = clocks.by_ours(WHERE, answer(frozenAt=BASE + ahead, residentBytes=7))
    assert ours.facts["frozenAt"] == pytest.approx(BASE, abs=0.002)
    assert ours.facts["residentBytes"] == 7


ways = st.tuples(st.floats(0.001, 5), st.floats(0.001, 5))


@given(st.floats(-60, 60), st.lists(ways, min_size=1))
def test_the_error_is_never_larger_than_the_quickest_answer_took(
    ahead: float, ways: list[tuple[float, float]]
) -> None:
    clocks = AgentClocks()
    for at, (there, back) in enumerate(ways):
        hear(clocks, ahead, there, back, at=float(at))
    error = abs(clocks.ahead(WHERE) - ahead)
    assert error <= min(there + back for there, back in ways) + 0.00001


def test_clocks_that_may_agree_are_left_alone_to_the_last_digit() -> None:
    clocks = AgentClocks()
    hear(clocks, 0.001, 0.002, 0.004)
    seen = answer(frozenAt=BASE)
    assert clocks.by_ours(WHERE, seen) is seen
    assert clocks.by_ours("another", seen) is seen


def test_a_long_wait_for_an_answer_does_not_blur_what_a_quick_one_proved() -> None:
    clocks = AgentClocks()
    hear(clocks, 2.0, 0.001, 0.001)
    hear(clocks, 2.0, 5.0, 0.001, at=1.0)
    assert clocks.ahead(WHERE) == pytest.approx(2.0, abs=0.001)


def test_a_clock_that_was_set_meanwhile_is_noticed_and_old_bounds_end() -> None:
    clocks = AgentClocks()
    hear(clocks, 2.0, 0.001, 0.001)
    hear(clocks, 0.0, 0.5, 0.5, at=1.0)
    assert clocks.ahead(WHERE) == 0.0
    hear(clocks, 0.2, 0.3, 0.3, at=1.0 + GOOD_SECONDS + 1.0)
    assert clocks.ahead(WHERE) == 0.0


@pytest.mark.parametrize("told", ["", "soon", "nan", "inf", "1e400"])
def test_nonsense_is_ignored(told: str) -> None:
    clocks = AgentClocks()
    clocks.heard(WHERE, told, sent=BASE, received=BASE + 1, at=0.0)
    assert clocks.ahead(WHERE) == 0.0
