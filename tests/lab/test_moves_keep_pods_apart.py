"""Zones on real nodes: rules about other pods hold for a moved pod; its own source is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.moves import OTHER, Moves, refusal

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]
ZONE = "podferry-test/zone"


@pytest.fixture
def one_zone(moves: Moves) -> Iterator[None]:
    """Both nodes in one zone."""
    yield from _zones(moves, {"node-a": "z1", "node-b": "z1"})


@pytest.fixture
def two_zones(moves: Moves) -> Iterator[None]:
    """A zone for each node."""
    yield from _zones(moves, {"node-a": "z1", "node-b": "z2"})


def _zones(moves: Moves, zones: dict[str, str]) -> Iterator[None]:
    for node, zone in zones.items():
        moves.cluster.kubectl("label", "node", node, f"{ZONE}={zone}", "--overwrite")
    yield
    for node in zones:
        moves.cluster.kubectl("label", "node", node, f"{ZONE}-")


def alike(name: str) -> dict[str, Any]:
    """The selector of a workload's own pods."""
    return {"matchLabels": {"app": name}}


APART = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
    {"topologyKey": ZONE, "labelSelector": alike("w")}]}}  # fmt: skip


@pytest.mark.usefixtures("one_zone")
@pytest.mark.parametrize("kind", ["StatefulSet", "Pod"])
def test_a_kept_name_moves_within_a_zone_that_takes_one_of_its_kind(
    moves: Moves, kind: str
) -> None:
    source = moves.start(kind, "w", affinity=APART)
    before = moves.answer(source)
    status = moves.migrate(kind, "w", "m", copy="StopAndCopy")
    assert status["phase"] == "Succeeded", status
    target = moves.pod("w")
    assert target["spec"]["nodeName"] == OTHER[source["spec"]["nodeName"]]
    assert target["spec"]["affinity"]["podAntiAffinity"] == APART["podAntiAffinity"]
    assert moves.answer(target).number == before.number + 1


@pytest.mark.usefixtures("one_zone")
def test_a_replacement_beside_its_source_is_refused_before_anything_is_touched(
    moves: Moves,
) -> None:
    moves.start("Deployment", "w", affinity=APART)
    moves.migrate("Deployment", "w", "m")
    reason, message = refusal(moves.get("migration", "m"))
    assert reason == "NoEligibleTarget"
    assert f"has the same {ZONE} (z1) as the source itself" in message


@pytest.mark.usefixtures("two_zones")
def test_a_move_that_would_break_the_spread_is_refused(moves: Moves) -> None:
    rule = {"topologyKey": ZONE, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": alike("w")}  # fmt: skip
    source = moves.start("Deployment", "w", topologySpreadConstraints=[rule])
    target = OTHER[source["spec"]["nodeName"]]
    moves.kubectl("scale", "deployment/w", "--replicas=2")
    moves.kubectl("rollout", "status", "deployment/w", "--timeout=60s")
    moves.migrate("Pod", source["metadata"]["name"], "m", targetNode=target)
    reason, message = refusal(moves.get("migration", "m"))
    assert reason == "TargetUnschedulable"
    assert f"would make 2 pods in {ZONE}" in message
    assert "more than maxSkew 1" in message
