"""A report of an agent is taken as it was sent, or refused with the field that is wrong."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podferry.wire.memory import Asked, BadReport, PodMemory, Report

GIB = 2.0**30


def report(**more: Any) -> Report:
    fields: dict[str, Any] = {
        "node": "node-a",
        "boot_id": "b",
        "seq": 7,
        "started": 1.0,
        "age": 0.5,
        "interval": 1.0,
        "capacity": 4 * GIB,
        "available": GIB,
        "eviction": GIB / 8,
        "eviction_source": "/configz",
        "urgent": True,
        "samples": ((1.5, 3.0), (0.5, 4.0)),
        "pods": (PodMemory("u1", 5.0, 4.0, samples=((0.5, 5.0),)),),
    }
    return Report(**{**fields, **more})


def spoiled(**more: Any) -> dict[str, Any]:
    return {**report().to_dict(), **more}


def test_what_was_sent_arrives() -> None:
    sent = report(pressure=(1.0, 2.0), eviction_soft=3.0, why="short of memory")
    assert Report.from_dict(json.loads(json.dumps(sent.to_dict()))) == sent


POD = report().to_dict()["pods"][0]


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ([], "a report is an object"),
        (None, "a report is an object"),
        (spoiled(node=None), "node is None"),
        (spoiled(node="n" * 1001), "node is"),
        (spoiled(seq=-1), "seq is -1"),
        (spoiled(seq=True), "seq is True"),
        (spoiled(seq=1.5), "seq is 1.5"),
        (spoiled(seq=10**400), "seq is a number beyond 63 bits"),
        (spoiled(available=float("nan")), "available is nan"),
        (spoiled(available=float("inf")), "available is inf"),
        (spoiled(available="1"), "available is '1'"),
        (spoiled(capacity=10**400), "capacity is a number beyond 63 bits"),
        (spoiled(capacity=10**5000), "capacity is a number beyond 63 bits"),
        (spoiled(capacity=0), "capacity is 0"),
        (spoiled(age=-0.1), "age is -0.1"),
        (spoiled(slope=[[]]), "slope is a list"),
        (spoiled(eviction={}), "eviction is a dict"),
        (spoiled(evictionSoft=float("nan")), "evictionSoft is nan"),
        (spoiled(pressure=[1.0]), "pressure is not a pair"),
        (spoiled(pressure=[1.0, 101.0]), "pressure is 101.0"),
        (spoiled(samples=None), "samples is not a list"),
        (spoiled(samples=[[0.0, 1.0]] * 3601), "samples is not a list of at most 3600"),
        (spoiled(samples=[[1.0]]), "a sample is not a pair"),
        (spoiled(samples=[[1.0, 2.0], [1.0, 3.0]]), "ages of samples do not fall: 1 s after 1 s"),
        (spoiled(samples=[[1.0, float("nan")]]), "sample is nan"),
        (spoiled(pods={}), "pods is not a list"),
        (spoiled(pods=[POD] * 1001), "pods is not a list of at most 1000"),
        (spoiled(pods=["p"]), "a pod is not an object"),
        (spoiled(pods=[{**POD, "workingSet": -1}]), "workingSet is -1"),
        (spoiled(pods=[{**POD, "uid": 5}]), "uid is 5"),
    ],
)
def test_what_is_wrong_is_named(raw: Any, named: str) -> None:
    with pytest.raises(BadReport, match=named):
        Report.from_dict(raw)


def test_no_text_of_an_agent_moves_the_cursor_of_a_terminal() -> None:
    found = Report.from_dict(spoiled(why="calm\x1b[2J\r\nnode-b: fine", evictionSource="a\x00b"))
    assert (found.why, found.eviction_source) == ("calm [2J  node-b: fine", "a b")


words = st.text(alphabet=st.characters(blacklist_categories=("C", "Z")), max_size=9)
sizes = st.floats(0, 2.0**50)
some_ages = st.lists(st.integers(0, 10**6), unique=True, max_size=6).map(
    lambda ages: [age / 1000 for age in sorted(ages, reverse=True)]
)
some_samples = some_ages.flatmap(
    lambda ages: st.tuples(*[st.tuples(st.just(age), sizes) for age in ages])
)
shares = st.floats(0, 100)
pressures = st.none() | st.tuples(shares, shares)
slopes = st.integers(-(10**9), 10**9).map(float)
pods = st.builds(
    PodMemory,
    uid=words,
    working_set=sizes,
    rss=sizes,
    slope=slopes,
    age=st.integers(0, 10**6).map(float),
    pressure=pressures,
    samples=some_samples,
)
reports = st.builds(
    Report,
    node=words,
    boot_id=words,
    seq=st.integers(0, 2**63 - 1),
    started=st.floats(0, 1e12),
    age=st.integers(0, 10**6).map(float),
    interval=st.floats(0.01, 3600),
    capacity=st.floats(1, 2.0**50),
    available=st.floats(-(2.0**50), 2.0**50),
    eviction=sizes,
    eviction_source=words,
    urgent=st.booleans(),
    why=words,
    eviction_soft=st.none() | sizes,
    slope=slopes,
    pressure=pressures,
    samples=some_samples,
    pods=st.lists(pods, max_size=3).map(tuple),
)


@given(reports)
def test_every_report_goes_over_the_wire_and_back(sent: Report) -> None:
    assert Report.from_dict(json.loads(json.dumps(sent.to_dict()))) == sent


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)  # fmt: skip


@given(anything)
def test_anything_is_a_report_or_refused(raw: Any) -> None:
    with pytest.raises(BadReport):
        Report.from_dict(raw)


@given(st.dictionaries(st.sampled_from(sorted(report().to_dict())), anything, min_size=1))
def test_any_field_may_be_anything(fields: dict[str, Any]) -> None:
    with contextlib.suppress(BadReport):
        found = Report.from_dict(spoiled(**fields))
        assert Report.from_dict(found.to_dict()).seq == found.seq


def test_a_question_survives_its_query() -> None:
    asked = Asked(since=4, wait=15.0, soft=40.0, horizon=330.0, history=121.0)
    assert Asked.from_query(asked.query()) == asked


@pytest.mark.parametrize(
    "query",
    [{"wait": "61"}, {"wait": "nan"}, {"soft": "-1"}, {"soft": "x"}, {"since": "1.5"},
     {"horizon": "inf"}, {"history": "1e9"}],
)  # fmt: skip
def test_a_question_that_makes_no_sense_names_its_parameter(query: dict[str, str]) -> None:
    with pytest.raises(BadReport, match=next(iter(query))):
        Asked.from_query(query)
