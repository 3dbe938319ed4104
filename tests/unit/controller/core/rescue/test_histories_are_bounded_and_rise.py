"""Samples are kept as long as asked, within a bound, and their times rise whatever comes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from podferry.controller.core.rescue.history import MOST_SAMPLES, NodeHistory, Track

moments = st.floats(-1e4, 1e4)
batches = st.lists(st.tuples(st.lists(st.tuples(moments, moments), max_size=30), moments))


@given(batches)
def test_times_rise_and_none_is_older_than_asked(
    told: list[tuple[list[tuple[float, float]], float]],
) -> None:
    track = Track()
    for samples, oldest in told:
        track.add(samples, oldest)
        times = track.series().times
        assert all(one < other for one, other in pairwise(times))
        assert all(time >= oldest for time in times)
        assert len(track.series().values) == len(times)


def test_no_more_than_the_bound_is_kept_and_the_newest_stay() -> None:
    track = Track()
    track.add(((float(at), 0.0) for at in range(3 * MOST_SAMPLES)), 0.0)
    assert len(track.series()) == MOST_SAMPLES
    assert track.series().times[-1] == 3 * MOST_SAMPLES - 1


def test_the_same_object_is_given_until_something_comes() -> None:
    track = Track()
    track.add([(1.0, 2.0)], 0.0)
    first = track.series()
    assert track.series() is first
    track.add([(2.0, 3.0)], 0.0)
    assert track.series() is not first


reports = st.lists(
    st.tuples(
        st.floats(0, 1e5),
        st.floats(0, 1000),
        st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e9)), max_size=9),
        st.dictionaries(st.sampled_from("abc"), st.floats(0, 1e9)),
    )
)


@given(reports)
def test_only_pods_of_the_last_report_are_kept(told: list) -> None:  # type: ignore[type-arg]
    history = NodeHistory()
    for received, keep, samples, pods in told:
        each = ((uid, (0.0, size), tuple(samples)) for uid, size in pods.items())
        history.add(received, keep, (0.0, 1.0), tuple(samples), each)
        assert history.pods.keys() == pods.keys()
        for track in (history.node, *history.pods.values()):
            times = track.series().times
            assert all(one < other for one, other in pairwise(times))
            assert all(received - keep <= time for time in times)


def test_a_calm_report_adds_its_newest_sample() -> None:
    history = NodeHistory()
    for at in (15.0, 30.0):
        history.add(at, 120.0, (1.0, at), (), [("u", (1.0, 2.0), ())])
    assert history.node.series().times == (14.0, 29.0)
    assert history.pods["u"].series().values == (2.0, 2.0)
