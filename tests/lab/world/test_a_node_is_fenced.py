"""The target's node goes off after the decision, and a person says that it stays so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from podferry.controller.core.fencing import OUT_OF_SERVICE
from tests.lab.cluster import Cluster
from tests.lab.faults import judge
from tests.lab.moves import OTHER, Moves
from tests.lab.world import events, moments, power

pytestmark = [pytest.mark.faults, pytest.mark.timeout(500)]


@contextmanager
def fenced(cluster: Cluster, node: str) -> Iterator[None]:
    """The node has the taint by which Kubernetes is told that it is off for good."""
    taint = ("taint", "node", node)
    cluster.kubectl(*taint, f"{OUT_OF_SERVICE}=nodeshutdown:NoExecute")
    try:
        yield
    finally:
        cluster.kubectl(*taint, f"{OUT_OF_SERVICE}-")


def beside_a_controller(cluster: Cluster) -> dict[str, Any]:
    """An affinity: the other node goes off, and a test before this may have moved both there."""
    home = events.controllers(cluster)[0]["spec"]["nodeName"]
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [home]}]}
    soft = "preferredDuringSchedulingIgnoredDuringExecution"
    return {"nodeAffinity": {soft: [{"weight": 100, "preference": term}]}}


def test_a_target_that_is_fenced_before_its_resume_gives_the_workload_back(moves: Moves) -> None:
    pod = moves.start("Deployment", "w", mb=64, affinity=beside_a_controller(moves.cluster))
    earlier = moves.answer(pod)
    target = OTHER[pod["spec"]["nodeName"]]
    # The breakpoint goes with the node's /run: the agent is not held when it is back.
    with moments.held(moves, pod, "target.Resumed") as uid, power.off(moves.cluster, target):
        reason = "{.status.conditions[?(@.type=='Resumed')].reason}"
        moves.kubectl("wait", "migration/m", "--timeout=90s",
                      f"--for=jsonpath={reason}=TargetUnreachableAfterCommit")  # fmt: skip
        with fenced(moves.cluster, target):
            moves.kubectl("wait", "migration/m", "--timeout=90s",
                          "--for=jsonpath={.status.decision}=Reverted")  # fmt: skip
            alive = moves.answer(pod)
            print(f"{target} was fenced, the source goes on: {alive.boot} {alive.number}")
    status = moves.ended("m")
    assert (status["phase"], status["decision"]) == ("RolledBack", "Reverted"), status
    assert judge.went_on(earlier, alive) == ""
    # The node that is back starts no second copy of it.
    after = moments.went_on_once(moves, alive, uid)
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]
