"""A report counts, or is refused with its doubt; a node is unknown when nothing recent does."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.controller.core.rescue.reports import (
    FROZEN_SECONDS,
    Believed,
    Doubt,
    Refused,
    doubt_now,
    judge,
)
from podferry.wire.memory import PodMemory, Report

from .worlds import GIB, report


def judged(
    told: Report,
    *,
    before: Report | None = None,
    at: float = 100.0,
    now: float = 101.0,
    changed: float = 100.0,
    capacity: float | None = 4 * GIB,
) -> Believed | Refused:
    last = None if before is None else Believed(before, at, changed)
    return judge("node-a", told, now, before=last, capacity=capacity)


def test_the_first_report_counts_from_when_its_sample_was_taken() -> None:
    found = judged(report(age=0.5), now=50.0)
    assert isinstance(found, Believed)
    assert (found.at, found.changed_at) == (49.5, 49.5)


@pytest.mark.parametrize(
    ("more", "doubt", "said"),
    [
        ({"node": "node-b"}, Doubt.WRONG_NODE, "the agent asked on node-a speaks for node-b"),
        ({"age": 11.0}, Doubt.STALE, "11 s old, at most 10 s count"),
        ({"age": 60.0, "interval": 10.0}, Doubt.STALE, "at most 50 s count"),
        ({"available": 5 * GIB}, Doubt.NONSENSE, "bytes available of"),
        ({"available": -5 * GIB}, Doubt.NONSENSE, "bytes available"),
        ({"eviction": 4 * GIB}, Doubt.NONSENSE, "an eviction threshold of"),
        ({"capacity": 5 * GIB}, Doubt.NONSENSE, "is it the agent of this node?"),
        ({"samples": ((1.0, -1.0),)}, Doubt.NONSENSE, "a sample beyond"),
        ({"samples": ((1.0, 9 * GIB),)}, Doubt.NONSENSE, "a sample beyond"),
        ({"pods": (PodMemory("u", 7 * GIB, 0.0),)}, Doubt.NONSENSE, "its pods use"),
        ({"pods": (PodMemory("u", 1.0, 0.0),) * 2}, Doubt.NONSENSE, "a pod is told twice"),
    ],
)
def test_what_cannot_be_is_refused_with_its_doubt(
    more: dict[str, Any], doubt: Doubt, said: str
) -> None:
    found = judged(report(**more))
    assert isinstance(found, Refused)
    assert found.doubt is doubt
    assert said in found.message


@pytest.mark.parametrize("more", [{"age": 49.0, "interval": 10.0}, {"available": -GIB}])
def test_what_is_odd_and_possible_counts(more: dict[str, Any]) -> None:
    assert isinstance(judged(report(**more)), Believed)


def test_a_capacity_that_kubelet_has_not_told_is_not_compared() -> None:
    assert isinstance(judged(report(capacity=5 * GIB), capacity=None), Believed)


def test_a_sample_from_before_the_last_one_is_refused() -> None:
    found = judged(report(seq=4), before=report(seq=5))
    assert isinstance(found, Refused)
    assert found.doubt is Doubt.BACKWARDS


def test_the_same_sample_again_makes_nothing_younger() -> None:
    found = judged(report(seq=5, age=0.0), before=report(seq=5), at=100.0, now=150.0)
    assert isinstance(found, Believed)
    assert found.at == 100.0


@pytest.mark.parametrize(
    "more", [{"started": 2.0}, {"boot_id": "c"}, {"boot_id": "c", "started": 0.5}]
)
def test_an_agent_that_begins_anew_counts_from_its_first_sample(more: dict[str, Any]) -> None:
    assert isinstance(judged(report(seq=0, **more), before=report(seq=5)), Believed)


def test_an_older_agent_beside_a_newer_one_is_refused_until_the_newer_one_is_silent() -> None:
    older, newer = report(seq=9, started=0.5), report(seq=5)
    found = judged(older, before=newer, at=100.0, now=130.0)
    assert isinstance(found, Refused)
    assert found.doubt is Doubt.BACKWARDS
    assert isinstance(judged(older, before=newer, at=100.0, now=131.0), Believed)


def test_numbers_that_stay_the_same_for_long_are_refused_and_a_single_byte_suffices() -> None:
    late = 100.0 + FROZEN_SECONDS + 1.0
    same = judged(report(seq=9), before=report(), at=late - 1.0, now=late, changed=100.0)
    assert isinstance(same, Refused)
    assert same.doubt is Doubt.FROZEN
    other = report(seq=9, available=3 * GIB + 1)
    found = judged(other, before=report(), at=late - 1.0, now=late, changed=100.0)
    assert isinstance(found, Believed)
    assert found.changed_at == late - 0.5


def test_numbers_that_stay_the_same_for_a_while_count_and_keep_their_age() -> None:
    found = judged(report(seq=6), before=report(), at=150.0, now=151.0, changed=100.0)
    assert isinstance(found, Believed)
    assert found.changed_at == 100.0


@pytest.mark.parametrize(
    ("urgent", "age", "said"),
    [
        (True, 10.0, ""),
        (True, 11.0, "told last is 11 s old, 10 s count"),
        (False, 30.0, ""),
        (False, 31.0, "told last is 31 s old, 30 s count"),
    ],
)
def test_a_node_is_unknown_when_what_it_told_is_old(urgent: bool, age: float, said: str) -> None:
    believed = Believed(report(urgent=urgent), 100.0, 100.0)
    found = doubt_now("node-a", believed, 100.0 + age, "no route")
    assert said in found
    assert bool(found) == bool(said)
    assert ("; no route" in found) == bool(said)


def test_a_node_that_never_told_anything_is_unknown() -> None:
    assert doubt_now("n", None, 0.0, "") == "the agent of n has told nothing that counts yet"
