"""Right before the freeze: needed, not needed any more, or nobody knows."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.controller.core.rescue.cluster import Book
from podferry.controller.core.rescue.needed import still_needed
from podferry.controller.core.rescue.valid import policy_of

from .worlds import GIB, booked, policy, pressed, report, under_way


def need(of: Any, source: str = "node-a", without: str = "u-m") -> tuple[bool | None, str]:
    rules = policy_of(policy().spec)
    found = still_needed(source, rules, of, booked(of, without=without), Book())
    return found.needed, found.why


MOVE = under_way(pod="big", gib=2.0)


def test_its_own_relief_does_not_make_it_needless() -> None:
    of = pressed(migrations=(MOVE,))
    needed, why = need(of)
    assert needed is True
    assert "10.0 % free" in why
    assert need(of, without="")[0] is False


def test_another_move_that_relieves_enough_makes_it_needless() -> None:
    of = pressed(migrations=(MOVE, under_way("other", "small")))
    assert need(of)[0] is False


def test_pressure_that_is_gone_is_told_with_what_is_free() -> None:
    of = pressed(reports={"node-a": report(available=3 * GIB)}, migrations=(MOVE,))
    assert need(of) == (
        False, "the pressure on node-a has gone: 3.0 GiB of 4.0 GiB are available"
    )  # fmt: skip


@pytest.mark.parametrize("more", [{"doubts": {"node-a": "silent"}}, {"believed": {}}])
def test_of_an_unknown_node_nobody_knows(more: dict[str, Any]) -> None:
    needed, why = need(pressed(migrations=(MOVE,), **more))
    assert needed is None
    assert why.startswith("node node-a is unknown now")


def test_a_node_that_is_gone_needs_nothing() -> None:
    assert need(pressed(migrations=(MOVE,)), "node-x") == (False, "node node-x is gone")


def _past_the_line(*used: float) -> Any:
    """node-a a second a sample [GiB used of 4], just above what the rule wants free."""
    last = len(used) - 1
    told = tuple((float(last - at), size * GIB) for at, size in enumerate(used))
    fine = report(age=0.0, available=(4.0 - used[-1]) * GIB, samples=told)
    return pressed(reports={"node-a": fine}, migrations=(MOVE,))


def test_a_node_past_the_line_that_still_grows_needs_it() -> None:
    needed, why = need(_past_the_line(2.40, 2.42, 2.44, 2.46, 2.48))
    assert needed is True
    assert "still grows and is full in" in why


def test_one_that_stands_still_or_shrinks_there_does_not() -> None:
    assert need(_past_the_line(2.48, 2.48, 2.48, 2.48, 2.48))[0] is False
    assert need(_past_the_line(2.90, 2.80, 2.70, 2.60, 2.48))[0] is False


def test_growth_that_takes_an_hour_does_not_either() -> None:
    assert need(_past_the_line(2.4800, 2.4801, 2.4802, 2.4803, 2.4804))[0] is False
