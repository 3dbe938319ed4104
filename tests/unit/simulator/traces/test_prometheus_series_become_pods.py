"""Several series of one pod: what is summed, what is not counted twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from podferry.simulator import traces
from podferry.simulator.model import Trace, TracePod

MEMORY = "container_memory_working_set_bytes"


def series(values: list[tuple[float, str]], **labels: str) -> dict[str, Any]:
    named = {"__name__": MEMORY, "namespace": "ns", "pod": "web", **labels}
    return {"metric": named, "values": [list(pair) for pair in values]}


def load(folder: Path, *result: dict[str, Any]) -> Trace:
    path = folder / "answer.json"
    data = {"resultType": "matrix", "result": list(result)}
    path.write_text(json.dumps({"status": "success", "data": data}))
    return traces.load(str(path))


def only(trace: Trace) -> TracePod:
    (pod,) = trace.pods
    return pod


def test_containers_are_summed_and_the_pods_own_cgroup_is_not_counted_again(tmp_path: Path) -> None:
    pod = only(load(
        tmp_path,
        series([(100, "10"), (160, "20")], container="app"),
        series([(100, "1"), (160, "2")], container="sidecar"),
        series([(100, "12"), (160, "23")], container=""),
    ))  # fmt: skip
    assert pod.name == "ns/web"
    assert pod.times == (0.0, 60.0)
    assert pod.memory == (11.0, 22.0)


def test_the_pods_own_cgroup_counts_where_no_container_is_named(tmp_path: Path) -> None:
    assert only(load(tmp_path, series([(100, "12")], container=""))).memory == (12.0,)
    assert only(load(tmp_path, series([(100, "13")]))).memory == (13.0,)


def test_a_container_that_two_series_tell_of_at_one_time_counts_once(tmp_path: Path) -> None:
    pod = only(load(
        tmp_path,
        series([(100, "10"), (160, "11")], container="app", id="before the restart"),
        series([(160, "3"), (220, "4")], container="app", id="after the restart"),
    ))  # fmt: skip
    assert pod.memory == (10.0, 11.0, 4.0)


def test_cgroups_above_the_pods_are_left_out(tmp_path: Path) -> None:
    node = {"metric": {"__name__": MEMORY, "id": "/"}, "values": [[100, "999"]]}
    assert only(load(tmp_path, node, series([(100, "5")], container="app"))).memory == (5.0,)


def test_old_label_names_are_understood(tmp_path: Path) -> None:
    labels = {"namespace": "ns", "pod_name": "old", "container_name": "app"}
    old = {"metric": labels, "values": [[100, "5"]]}
    assert only(load(tmp_path, old)).name == "ns/old"


def test_requests_and_limits_in_the_same_answer_are_taken(tmp_path: Path) -> None:
    kube = "kube_pod_container_resource_"
    pod = only(load(
        tmp_path,
        series([(100, "10")], container="app"),
        series([(100, "1")], container="sidecar"),
        series([(100, "64")], __name__=f"{kube}requests", resource="memory", container="app"),
        series([(100, "8")], __name__=f"{kube}requests", resource="memory", container="sidecar"),
        series([(100, "2")], __name__=f"{kube}requests", resource="cpu", container="app"),
        series([(100, "90")], __name__=f"{kube}limits", resource="memory", container="app"),
    ))  # fmt: skip
    assert pod.request == 72.0
    assert pod.cpu == 2.0
    assert pod.limit is None, "its sidecar has no limit, so the pod has none"


def test_pods_of_two_namespaces_are_two_pods(tmp_path: Path) -> None:
    one = series([(100, "1")], container="app")
    other = series([(160, "2")], container="app", namespace="other")
    trace = load(tmp_path, one, other)
    assert [(pod.name, pod.arrival) for pod in trace.pods] == [("ns/web", 0), ("other/web", 60)]
