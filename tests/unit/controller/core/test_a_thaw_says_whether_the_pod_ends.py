"""The agent cannot see the pod: the order to thaw tells it whether its user wants it to end."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.controller.core import orders
from podferry.wire.stages import SourceStage
from tests.property.world import World


@pytest.mark.parametrize(
    ("metadata", "spec", "phase", "params"),
    [
        ({}, {}, "Running", {"ending": False, "graceSeconds": 30}),
        ({}, {"terminationGracePeriodSeconds": 1}, "Running", {"ending": False, "graceSeconds": 1}),
        (
            {},
            {"containers": [{"livenessProbe": {"terminationGracePeriodSeconds": 60}}]},
            "Running",
            {"ending": False, "graceSeconds": 60},
        ),
        ({"deletionTimestamp": "x"}, {}, "Running", {"ending": True}),
        ({"uid": "another"}, {}, "Running", {"ending": True}),
        ({}, {}, "Failed", {"ending": True}),  # evicted by kubelet
    ],
)
def test_it_is_told_for_the_pod_as_it_is_now(
    metadata: dict[str, Any], spec: dict[str, Any], phase: str, params: dict[str, Any]
) -> None:
    world = World("ReplicaSet")
    pod = world.pods["app"]
    pod["metadata"].update(metadata)
    pod["spec"].update(spec)
    pod["status"]["phase"] = phase
    order = orders.source(world.view(), world.status, SourceStage.THAWED).order
    assert {key: order.params[key] for key in params} == params
    assert ("graceSeconds" in order.params) is ("graceSeconds" in params)
