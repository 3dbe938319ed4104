"""`podferry.dev/exclude` on a namespace or a pod, at the request and right before the freeze.

And what somebody does to a source during its move: here the move is halted before the freeze.
"""

from __future__ import annotations

import json

import pytest

from tests.lab import breakpoints
from tests.lab.moves import Moves, refusal, why
from tests.lab.on_node import reached

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

LABEL = "podferry.dev/exclude"


def test_an_excluded_namespace_is_refused_and_moved_once_it_is_not(moves: Moves) -> None:
    pod = moves.start("Deployment", "w", mb=8)
    space = moves.namespace
    moves.cluster.kubectl("label", "namespace", space, f"{LABEL}=true")
    moves.migrate("Deployment", "w", "m1")
    reason, message = refusal(moves.get("migration", "m1"))
    assert reason == "Excluded"
    assert f"kubectl label namespace {space} {LABEL}-" in message
    moves.cluster.kubectl("label", "namespace", space, f"{LABEL}-")
    name = pod["metadata"]["name"]
    moves.kubectl("annotate", "pod", name, f"{LABEL}=true")
    moves.migrate("Deployment", "w", "m2")
    reason, message = refusal(moves.get("migration", "m2"))
    assert reason == "Excluded"
    assert f"annotate pod {name} {LABEL}-" in message
    moves.kubectl("annotate", "pod", name, f"{LABEL}-")
    assert moves.migrate("Deployment", "w", "m3")["phase"] == "Succeeded"
    moves.gone(pod)
    moved = moves.pod("w")
    # The image too is that of the source and no other of the same tag.
    image = pod["status"]["containerStatuses"][0]["imageID"]
    assert "@sha256:" in image
    assert moves.get("migration", "m3")["status"]["source"]["image"] == image
    assert moved["spec"]["containers"][0]["image"] == image


def test_a_namespace_that_is_excluded_during_the_preparation_keeps_its_pod(moves: Moves) -> None:
    pod = moves.start("Deployment", "w", mb=8)
    before = moves.answer(pod)
    node = pod["spec"]["nodeName"]
    with breakpoints.before(moves.cluster, node, "source", "Prepared"):
        assert "created" in moves.request("Deployment", "w", "m")
        moves.kubectl("wait", "migration/m", "--for=condition=Accepted", "--timeout=30s")
        moves.cluster.kubectl("label", "namespace", moves.namespace, f"{LABEL}=true")
    status = moves.ended("m")
    assert (status["phase"], why(status)) == ("RolledBack", "Excluded")
    after = moves.answer(pod)
    assert (after.boot, after.number) == (before.boot, before.number + 1)


def test_a_debug_container_that_joins_the_source_turns_the_move_back(moves: Moves) -> None:
    pod = moves.start("Pod", "w", mb=8)
    before = moves.answer(pod)
    debug = {"name": "debugger", "image": "registry.lab/pause:1", "imagePullPolicy": "Never"}
    body = json.dumps({"spec": {"ephemeralContainers": [debug]}})
    with breakpoints.before(moves.cluster, pod["spec"]["nodeName"], "source", "Frozen"):
        assert "created" in moves.request("Pod", "w", "m")
        migration = moves.get("migration", "m")
        reached(moves.cluster, pod["spec"]["nodeName"], migration, ("source", "Prepared"))
        moves.kubectl("patch", "pod", "w", "--subresource=ephemeralcontainers", "-p", body)
    status = moves.ended("m")
    assert (status["phase"], why(status)) == ("RolledBack", "SourceChanged")
    after = moves.answer(pod)
    assert (after.boot, after.number) == (before.boot, before.number + 1)
