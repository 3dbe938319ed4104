"""Reads the JSON of a Prometheus range query of `container_memory_working_set_bytes`.

Owns how several series make one pod: series of named containers are summed, the pod's own cgroup
(container="") counts only where no container has a name, one container seen twice at one time (a
restart, two scrapers) counts once. Series of `kube_pod_container_resource_requests` and `_limits`
in the same result give requests and limits; without them a pod has none.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podferry.simulator.errors import BadInput
from podferry.simulator.model import Trace, TracePod
from podferry.simulator.traces import build

MEMORY = "container_memory_working_set_bytes"
REQUESTS = "kube_pod_container_resource_requests"
LIMITS = "kube_pod_container_resource_limits"

Samples = dict[float, float]


@dataclass(slots=True)
class _Pod:
    containers: dict[str, Samples] = field(default_factory=lambda: defaultdict(dict))
    whole: Samples = field(default_factory=dict)
    requests: dict[str, float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    cores: dict[str, float] = field(default_factory=dict)

    def samples(self) -> Samples:
        """The sum of its containers, else its own cgroup."""
        if not self.containers:
            return self.whole
        total: Samples = {}
        for series in self.containers.values():
            for time, value in series.items():
                total[time] = total.get(time, 0.0) + value
        return total


def is_one(document: Any) -> bool:
    """Whether a parsed document is an answer of Prometheus."""
    return isinstance(document, dict) and "status" in document


def of(path: Path, document: dict[str, Any], budget: build.Budget) -> Trace:
    """Return the trace that an answer says.

    Raises:
        BadInput: with the series' index and the sample's.
    """
    pods: dict[str, _Pod] = defaultdict(_Pod)
    for at, series in enumerate(_series(path, document)):
        _add(f"{path}: series {at}", series, pods, budget)
    with_samples = {name: samples for name, pod in pods.items() if (samples := pod.samples())}
    if not with_samples:
        raise BadInput(f"{path}: the trace is empty: no sample of {MEMORY} with the label pod")
    step = build.usual_step(
        later - earlier
        for samples in with_samples.values()
        for earlier, later in zip(sorted(samples), sorted(samples)[1:], strict=False)
    )
    made = [_pod(name, pods[name], samples, step) for name, samples in with_samples.items()]
    return build.trace(path.name, str(path), made, step, f"Prometheus, {path.name}")


def _series(path: Path, document: dict[str, Any]) -> list[Any]:
    if document.get("status") != "success":
        said = document.get("error", document.get("status"))
        raise BadInput(f"{path}: Prometheus answered with an error: {str(said)[:80]}")
    data = document.get("data")
    kind = data.get("resultType") if isinstance(data, dict) else None
    if not isinstance(data, dict) or kind != "matrix":
        raise BadInput(
            f"{path}: data.resultType is {kind!r}, expected 'matrix': ask /api/v1/query_range"
        )
    result = data.get("result")
    if not isinstance(result, list):
        raise BadInput(f"{path}: data.result is not a list")
    return result


def _add(place: str, series: Any, pods: dict[str, _Pod], budget: build.Budget) -> None:
    if not isinstance(series, dict) or not isinstance(series.get("metric"), dict):
        raise BadInput(f"{place}: expected an object with metric and values")
    labels, values = series["metric"], series.get("values")
    if not isinstance(values, list):
        raise BadInput(f"{place}: values is missing or not a list")
    metric = labels.get("__name__", MEMORY)
    if metric not in (MEMORY, REQUESTS, LIMITS):
        raise BadInput(f"{place}: metric {metric!r}; known: {MEMORY}, {REQUESTS}, {LIMITS}")
    name = labels.get("pod") or labels.get("pod_name")
    if not name:
        return  # a cgroup above the pods: /, /kubepods, /system.slice
    budget.samples(place, len(values))
    samples = _samples(place, values)
    container = str(labels.get("container") or labels.get("container_name") or "")
    pod = pods[f"{labels.get('namespace', 'default')}/{name}"]
    if metric == MEMORY:
        _merge(pod.containers[container] if container else pod.whole, samples)
    elif samples:
        _asks(pod, metric, str(labels.get("resource", "memory")), container, max(samples.values()))


def _samples(place: str, values: list[Any]) -> Samples:
    samples: Samples = {}
    before: float | None = None
    for index, pair in enumerate(values):
        where = f"{place}, sample {index}"
        if not isinstance(pair, list) or len(pair) != 2:
            raise BadInput(f'{where}: expected [time, "value"]')
        now = build.time_value(where, pair[0])
        build.rising(where, before, now)
        samples[now] = build.memory_value(where, pair[1])
        before = now
    return samples


def _merge(into: Samples, samples: Samples) -> None:
    for time, value in samples.items():
        into[time] = max(into.get(time, 0.0), value)


def _asks(pod: _Pod, metric: str, resource: str, container: str, value: float) -> None:
    if resource == "memory":
        (pod.requests if metric == REQUESTS else pod.limits)[container] = value
    elif resource == "cpu" and metric == REQUESTS:
        pod.cores[container] = value


def _pod(name: str, pod: _Pod, samples: Samples, step: float) -> TracePod:
    times = sorted(samples)
    asked = build.Asked(
        request=sum(pod.requests.values()),
        # A container without a limit leaves the pod without one.
        limit=sum(pod.limits.values())
        if pod.limits and set(pod.limits) >= set(pod.containers)
        else None,
        cpu=sum(pod.cores.values()),
    )
    return build.pod(name, times, [samples[time] for time in times], step, asked)
