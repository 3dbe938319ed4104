"""No controller, no admission: what opted in waits, everything else starts, and it all goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.moves import Moves, workload
from tests.lab.world import events

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

SYSTEM = ("-n", "podferry-system")
PODS = ("pod", "-l", "app.kubernetes.io/name=podferry-controller")


@pytest.fixture
def controllers(moves: Moves) -> Iterator[int]:
    """How many replicas there are; they are back at the end of the test."""
    replicas = moves.cluster.get("deployment", "podferry-controller", *SYSTEM)["spec"]["replicas"]
    yield replicas
    _scale(moves, replicas)


def _scale(moves: Moves, replicas: int) -> None:
    what = "deployment/podferry-controller"
    moves.cluster.kubectl("scale", what, f"--replicas={replicas}", *SYSTEM)
    if replicas:
        moves.cluster.kubectl("rollout", "status", what, *SYSTEM, "--timeout=90s")
    else:
        moves.cluster.kubectl("wait", "--for=delete", *PODS, *SYSTEM, "--timeout=90s")


def test_without_the_webhook_only_pods_that_opted_in_wait(moves: Moves, controllers: int) -> None:
    first = moves.start("Deployment", "w")
    _scale(moves, 0)
    said = moves.kubectl("create", "-f", "-", stdin=workload("Pod", "in"), check=False)
    assert 'failed calling webhook "pods.podferry.dev"' in said
    # Nobody moves it, and a drain does not wait for who is not there.
    evicted = events.evict(moves.cluster, first)
    assert '"Success"' in evicted, evicted
    # Its owner is refused the replacement as well, and says so.
    moves.kubectl("wait", "deployment/w", "--for=condition=ReplicaFailure", "--timeout=60s")
    failed = {item["type"]: item for item in moves.get("deployment", "w")["status"]["conditions"]}
    assert "pods.podferry.dev" in failed["ReplicaFailure"]["message"]
    moves.start("Pod", "out", opt_in=False)
    assert [pod["metadata"]["name"] for pod in moves.get("pods")["items"]] == ["out"]
    _scale(moves, controllers)
    moves.start("Pod", "in")
    moves.kubectl("wait", "--for=create", "pod", "-l", "app=w", "--timeout=120s")
    moves.kubectl("wait", "--for=condition=Ready", "pod", "-l", "app=w", "--timeout=60s")
    assert moves.migrate("Deployment", "w", "m")["phase"] == "Succeeded"
