"""A deleted pod makes its agent fail too; the reason of the end is what the user did."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podferry.controller.core.advance import advance
from podferry.wire.stages import Progress
from tests.property.world import World


@pytest.mark.parametrize(
    ("metadata", "phase", "reason"),
    [
        ({"deletionTimestamp": "x"}, "Running", "SourceChanged"),
        ({}, "Succeeded", "SourceEnded"),
        ({}, "Running", "ContainerNotFound"),
    ],
)
def test_the_pod_comes_before_the_agent(metadata: dict[str, Any], phase: str, reason: str) -> None:
    world = World("ReplicaSet")
    while not world.status.source_detached:
        world.reconcile()
    world.pods["app"]["metadata"].update(metadata)
    world.pods["app"]["status"]["phase"] = phase
    view = world.view()
    assert view.source is not None
    error = {"reason": "ContainerNotFound", "message": "runc knows no such container"}
    failed = replace(view.source, progress=Progress.FAILED, error=error)
    assert advance(replace(view, source=failed)).status.decision_reason == reason
