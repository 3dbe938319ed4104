"""The compiled engine that skips quiet stretches, beside the plain one that looks every second."""

from __future__ import annotations

from dataclasses import fields
from math import isclose

from hypothesis import given, settings
from hypothesis import strategies as st

from podferry.simulator.engine import run
from podferry.simulator.model import Result
from tests.simulator_reference import cases
from tests.simulator_reference import engine as slow


def differences(one: Result, other: Result) -> list[str]:
    found = []
    for each in fields(Result):
        a, b = getattr(one, each.name), getattr(other, each.name)
        same = isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) if isinstance(a, float) else a == b
        if not same:
            found.append(f"{each.name}: {a} and {b}")
    return found


@given(st.integers(0, 10**9))
@settings(max_examples=120, deadline=None)
def test_events_and_results_of_both_are_the_same(number: int) -> None:
    scenario = cases.scenario(number)
    assert not differences(run(scenario, number, events=True), slow.run(scenario, number))
