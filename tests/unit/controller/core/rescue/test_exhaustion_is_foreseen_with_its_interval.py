"""The forecast for people, the cost of a move, and that a status is written where it is news."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podferry.api.rescue_policy import NodeState, RescueNode, RescuePolicyStatus
from podferry.controller.core.rescue.expected import Costs
from podferry.controller.core.rescue.forecast import forecast
from podferry.controller.core.rescue.states import QUIET_SECONDS, WRITE_SECONDS, is_news
from podferry.controller.core.status import stamp
from podferry.policies.vocabulary import Node, Series

from .worlds import GIB, WALL, pod


def node(*used: float, used_now: float | None = None) -> Node:
    values = tuple(each * GIB for each in used)
    now = used[-1] if used_now is None else used_now
    times = tuple(float(at) for at in range(len(values)))
    return Node("n", 4 * GIB, now * GIB, Series(times, values), eviction=GIB)


def test_a_steady_growth_is_foreseen_to_the_second() -> None:
    found = forecast(node(1.0, 1.1, 1.2, 1.3, 1.4))
    assert found.slope == pytest.approx(0.1 * GIB)
    assert found.exhausted_in == pytest.approx(16.0)
    assert found.earliest == pytest.approx(found.latest)


def test_noise_widens_the_interval_around_it() -> None:
    found = forecast(node(1.0, 1.2, 1.1, 1.4, 1.3, 1.6))
    assert found.earliest
    assert found.latest
    assert found.exhausted_in
    assert found.earliest < found.exhausted_in < found.latest


@pytest.mark.parametrize("used", [(2.0,) * 6, (2.0, 1.9, 1.8, 1.7, 1.6), (1.0, 1.1, 1.2)])
def test_what_does_not_grow_or_is_not_known_is_not_foreseen(used: tuple[float, ...]) -> None:
    assert forecast(node(*used)).exhausted_in is None


def test_a_node_past_its_threshold_is_exhausted_now() -> None:
    assert forecast(node(3.0)).exhausted_in == 0.0
    assert forecast(node(2.6, 2.7, 2.8, 2.9, 3.1)).exhausted_in == 0.0


@given(st.lists(st.floats(0, 4), max_size=30))
def test_any_history_gives_an_ordered_interval(used: list[float]) -> None:
    found = forecast(node(*used, used_now=1.0))
    ends = [end for end in (found.earliest, found.exhausted_in, found.latest) if end is not None]
    assert ends == sorted(ends)
    assert all(0 <= end <= 86400.0 for end in ends)


def test_without_a_measured_move_the_documented_prior_counts() -> None:
    costs = Costs((), WALL)
    small, large = costs.of(pod("a"), 0.0), costs.of(pod("a"), GIB)
    assert costs.source().startswith("prior")
    assert costs.moves() == (0, None)
    assert large.freeze == pytest.approx(0.4 + 1.8, abs=0.05)  # docs/explanation/predictions.md
    assert 0 < small.freeze < large.freeze < large.total
    kept = pod("a", ownerReferences=[{"kind": "StatefulSet", "name": "s", "controller": True}])
    assert costs.of(kept, GIB).freeze > large.freeze


FINE = RescuePolicyStatus(evaluated_at=stamp(WALL))
PRESSED = replace(FINE, nodes=(RescueNode("n", NodeState.OVERLOADED, available_bytes=1),))


@pytest.mark.parametrize(
    ("before", "after", "seconds", "news"),
    [
        (FINE, FINE, QUIET_SECONDS - 1, False),
        (FINE, FINE, QUIET_SECONDS, True),
        (FINE, PRESSED, 0, True),
        (PRESSED, replace(PRESSED, nodes=(replace(PRESSED.nodes[0], available_bytes=2),)),
         WRITE_SECONDS - 1, False),
        (PRESSED, PRESSED, WRITE_SECONDS, True),
        (replace(FINE, evaluated_at=""), FINE, 0, True),
        (FINE, replace(FINE, moves_asked=1), 0, True),
        (FINE, FINE, -3600, True),  # the clock was set back
    ],
)  # fmt: skip
def test_a_status_is_written_where_it_is_news(
    before: RescuePolicyStatus, after: RescuePolicyStatus, seconds: float, news: bool
) -> None:
    assert is_news(before, after, WALL + timedelta(seconds=seconds)) is news
