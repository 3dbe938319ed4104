"""The program of a Job ends by itself just before its freeze: the Job is complete."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.lab.moves import Moves, why
from tests.lab.on_node import processes
from tests.lab.world import moments, remains

pytestmark = [pytest.mark.lab, pytest.mark.faults, pytest.mark.timeout(300)]


def test_a_job_that_ends_before_its_freeze_is_complete(moves: Moves) -> None:
    pod = moves.start("Job", "w", mb=32)
    node = pod["spec"]["nodeName"]
    with ExitStack() as stand:
        uid = stand.enter_context(moments.held(moves, pod, "source.Frozen", "Job"))
        (process,) = processes(moves.cluster, node, pod["metadata"]["uid"])
        moves.cluster.exec(node, ["kill", "-TERM", str(process.pid)])
        print(f"the program, pid {process.pid} on {node}, was told to end")
        moves.kubectl("wait", f"pod/{pod['metadata']['name']}", "--timeout=60s",
                      "--for=jsonpath={.status.phase}=Succeeded")  # fmt: skip
        stand.close()
        status = moves.ended("m")
    assert status["phase"] == "RolledBack", status
    assert why(status) == "SourceEnded", status
    moves.kubectl("wait", "--for=condition=Complete", "job/w", "--timeout=60s")
    counts = moves.get("job", "w")["status"]
    assert (counts.get("succeeded", 0), counts.get("failed", 0)) == (1, 0), counts
    moments.until(lambda: remains.left_over(moves, uid), "left over")
