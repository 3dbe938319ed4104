"""Quantities and sums of memory."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.controller.runtime.node_view import (
    node_view,
    quantity_bytes,
    requested_by_node,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [("3Gi", 3 * 2**30), ("128974848", 128974848), ("1e3", 1000), ("129M", 129_000_000),
     ("128974848000m", 128974848), ("1.5Ki", 1536), ("nonsense", 0), (0, 0)],
)  # fmt: skip
def test_quantities_of_memory_in_bytes(text: str | int, size: int) -> None:
    assert quantity_bytes(text) == size


def pod(node: str, *requests: str, phase: str = "Running", **spec: Any) -> dict[str, Any]:
    containers = [{"resources": {"requests": {"memory": text}}} for text in requests]
    return {"spec": {"nodeName": node, "containers": containers, **spec},
            "status": {"phase": phase}}  # fmt: skip


def test_requests_are_summed_by_node_as_the_scheduler_does() -> None:
    large_start = [{"resources": {"requests": {"memory": "5Mi"}}}]
    assert requested_by_node(
        [
            pod("a", "1Mi", "2Mi"),
            pod("a", "1Mi", initContainers=large_start),
            pod("a", "9Mi", phase="Succeeded"),
            pod("b", "1Mi", overhead={"memory": "1Mi"}),
            pod("", "7Mi"),
        ]
    ) == {"a": 8 * 2**20, "b": 2 * 2**20}


def test_a_node_as_a_value() -> None:
    raw = {
        "metadata": {"name": "a", "labels": {"zone": "1"}},
        "spec": {"unschedulable": True, "taints": [{"key": "k", "effect": "NoSchedule"}]},
        "status": {
            "addresses": [
                {"type": "Hostname", "address": "a"},
                {"type": "InternalIP", "address": "10.0.0.1"},
            ],
            "allocatable": {"memory": "2Gi"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
    view = node_view(raw, requested={"a": 5}, facts=None)
    assert (view.address, view.ready, view.cordoned) == ("10.0.0.1", True, True)
    assert (view.allocatable_bytes, view.requested_bytes) == (2 * 2**30, 5)
    assert view.taints == ({"key": "k", "effect": "NoSchedule"},)
