"""A running pod is not sent to a node that cannot take it; its object stays untouched.

The unfit nodes are objects of the test's own making: nothing of the real nodes is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.cluster import Cluster
from tests.lab.made_nodes import beat, node, registered
from tests.lab.moves import OTHER, Moves, refusal

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}


@pytest.fixture(scope="module")
def nodes(ferry: Cluster) -> Iterator[None]:
    """Registered nodes that cannot take anything, each for one reason first."""
    unfit = (node("broken"), node("tainted", TAINT), node("cordoned", cordoned=True), node("bare"))
    with registered(ferry, *unfit, silent="broken"):
        yield


READY = ("tainted", "cordoned", "bare")
CASES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("TargetNotReady", "kubectl describe node broken", {"targetNode": "broken"}),
    ("TargetTainted", "dedicated=db:NoSchedule", {"targetNode": "tainted"}),
    ("TargetCordoned", "kubectl uncordon cordoned", {"targetNode": "cordoned"}),
    ("AgentMissing", "DaemonSet of the agent covers this node", {"targetNode": "bare"}),
    ("NoEligibleTarget", "correct targetSelector", {"targetSelector": {"disk": "fast"}}),
    ("UnknownNode", "known: ", {"targetNode": "no-such-node"}),
    ("TargetIsSource", "name another targetNode", {"targetNode": "HOME"}),
)


def test_a_target_that_cannot_take_the_pod_is_refused_with_what_to_do(
    moves: Moves, nodes: None
) -> None:
    pod = moves.start("Pod", "w")
    home, version = pod["spec"]["nodeName"], pod["metadata"]["resourceVersion"]
    for number, (reason, advice, spec) in enumerate(CASES):
        if spec.get("targetNode") in READY:
            beat(moves.cluster, spec["targetNode"])
        asked = {**spec, **({"targetNode": home} if spec.get("targetNode") == "HOME" else {})}
        moves.migrate("Pod", "w", f"m{number}", **asked)
        said, message = refusal(moves.get("migration", f"m{number}"))
        assert said == reason, message
        assert advice in message
        assert moves.pod("w")["metadata"]["resourceVersion"] == version
    assert len(moves.get("pods")["items"]) == 1


def test_a_target_against_the_pod_s_own_node_selector_is_refused(moves: Moves) -> None:
    pod = moves.start("Pod", "w", nodeSelector={"kubernetes.io/hostname": "node-a"})
    moves.migrate("Pod", "w", "m", targetNode=OTHER["node-a"])
    reason, message = refusal(moves.get("migration", "m"))
    assert reason == "TargetUnschedulable", message
    assert "choose a node that has them" in message
    assert moves.pod("w")["metadata"]["resourceVersion"] == pod["metadata"]["resourceVersion"]
