"""The dead-man of a source with a liveness probe strikes before kubelet does."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.controller.core import orders
from podferry.wire.stages import SourceStage
from tests.property.world import World


@pytest.mark.parametrize(
    ("probe", "seconds"),
    [
        (None, 90),
        ({"periodSeconds": 2, "failureThreshold": 6}, 7),
        ({"tcpSocket": {"port": 1}}, 25),  # Kubernetes' own 10 s x 3
        ({"periodSeconds": 60, "failureThreshold": 3}, 90),
        ({"periodSeconds": 5, "failureThreshold": 1}, 1),
    ],
)
def test_it_keeps_5_s_from_the_kill(probe: dict[str, Any] | None, seconds: int) -> None:
    world = World("ReplicaSet")
    world.pods["app"]["spec"]["containers"] = [{"name": "c", "livenessProbe": probe}]
    order = orders.source(world.view(), world.status, SourceStage.FROZEN).order
    assert order.params["deadManSeconds"] == seconds
