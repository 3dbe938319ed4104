"""Answers of agents, their age, and what counts as news."""

from __future__ import annotations

from typing import Any

from podferry.api.clock import FakeClock
from podferry.controller.runtime.observe import Observations
from podferry.wire.stages import Observed, Progress, Role

KEY = ("mig", 1, "source")


def answer(stage: str = "Frozen", **facts: Any) -> Observed:
    return Observed("mig", 1, Role.SOURCE, stage, "Sealed", Progress.WORKING, None, facts)


def test_an_answer_grows_older_until_the_next_one() -> None:
    clock = FakeClock()
    observations = Observations(clock)
    observations.put_side(answer())
    clock.advance(0.4)
    assert observations.side(KEY) == (answer(), 0.4)
    observations.put_side(answer())
    assert observations.side(KEY)[1] == 0


def test_numbers_that_change_all_the_time_are_no_news_but_flags_are() -> None:
    observations = Observations(FakeClock())
    assert observations.put_side(answer(claimed=False, bytes=1))
    assert not observations.put_side(answer(claimed=False, bytes=2))
    assert observations.put_side(answer(claimed=True, bytes=2))
    assert observations.put_side(answer("Sealed", claimed=True))


def test_a_side_is_asked_at_most_once_a_second() -> None:
    clock = FakeClock()
    observations = Observations(clock)
    assert observations.is_due(KEY)
    assert not observations.is_due(KEY)
    clock.advance(1.0)
    assert observations.is_due(KEY)
    clock.advance(1.0)
    observations.put_side(answer())
    assert not observations.is_due(KEY)


def test_facts_of_an_agent_that_fell_silent_do_not_count() -> None:
    clock = FakeClock()
    observations = Observations(clock)
    observations.put_facts("node-a", {"kernel": "6.1"})
    clock.advance(59)
    observations.put_facts("node-a", None)
    assert observations.facts("node-a") == {"kernel": "6.1"}
    clock.advance(2)
    assert observations.facts("node-a") is None


def test_what_is_over_is_forgotten() -> None:
    observations = Observations(FakeClock())
    observations.put_side(answer())
    observations.put_probe("mig", 1, {"ok": True})
    observations.forget("mig")
    assert observations.side(KEY) == (None, float("inf"))
    assert observations.probe("mig", 1) is None
