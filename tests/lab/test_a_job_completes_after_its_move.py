"""A Job that has one try moves, and completes where it went."""

from __future__ import annotations

import pytest

from tests.lab.moves import OTHER, Moves
from tests.lab.on_node import processes

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def test_a_job_with_backoff_limit_0_completes_at_the_target_without_a_failed_pod(
    moves: Moves,
) -> None:
    source = moves.start("Job", "w", mb=32)
    assert moves.get("job", "w")["spec"]["backoffLimit"] == 0
    before = moves.answer(source)
    status = moves.migrate("Job", "w", "m")
    assert status["phase"] == "Succeeded", status
    moves.gone(source)
    target = moves.pod("w")
    node = target["spec"]["nodeName"]
    assert node == OTHER[source["spec"]["nodeName"]]
    assert moves.answer(target).boot == before.boot
    (process,) = processes(moves.cluster, node, target["metadata"]["uid"])
    moves.cluster.exec(node, ["kill", "-TERM", str(process.pid)])  # its program ends with 0
    moves.kubectl("wait", "--for=condition=Complete", "job/w", "--timeout=60s")
    counts = moves.get("job", "w")["status"]
    assert (counts.get("succeeded", 0), counts.get("failed", 0)) == (1, 0), counts
    assert moves.pod("w")["metadata"]["uid"] == target["metadata"]["uid"]
