"""The shipped trace: counts and classes as its publication and our notes say."""

from __future__ import annotations

from collections import Counter

from podferry.simulator import traces
from podferry.simulator.model import GIB
from podferry.simulator.traces import o10n


def test_the_counts_are_those_of_the_publication() -> None:
    trace = traces.load("o10n")
    assert len(trace.pods) == 500
    assert sum(len(pod.times) for pod in trace.pods) == 9927
    assert trace.step == 60
    classes = Counter(pod.request / GIB for pod in trace.pods)
    assert classes == {30: 250, 80: 142, 130: 108}
    assert {pod.cpu for pod in trace.pods} == {5.0}


def test_usage_sums_up_to_what_was_measured_on_the_original() -> None:
    trace = traces.load("o10n")
    total: Counter[float] = Counter()
    for pod in trace.pods:
        for time, memory in zip(pod.times, pod.memory, strict=True):
            total[pod.arrival + time] += memory  # type: ignore[assignment]
    assert 1017 < max(total.values()) / GIB < 1019
    assert round(max(max(pod.memory) for pod in trace.pods) / GIB) == 278


def test_pods_come_in_the_order_of_arrival_and_end_a_step_after_their_last_sample() -> None:
    trace = traces.load("o10n")
    arrivals = [pod.arrival for pod in trace.pods]
    assert arrivals == sorted(arrivals)
    assert arrivals[0] == 0
    assert all(pod.lifetime == pod.times[-1] + 60 and pod.times[0] == 0 for pod in trace.pods)


def test_the_attribution_travels_with_the_data() -> None:
    folder = o10n.DATA.parent
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert "A. Stobbe" in (folder / "README.md").read_text()
    assert "A. Stobbe" in traces.load("o10n").source
