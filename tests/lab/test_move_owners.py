"""A workload of every owner is moved by real kubelets and keeps its process and memory."""

from __future__ import annotations

import pytest

from tests.lab.moves import OTHER, Moves

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]


@pytest.mark.parametrize("kind", ["Deployment", "Job", "StatefulSet", "Pod"])
def test_a_workload_moves_with_its_memory_and_process(moves: Moves, kind: str) -> None:
    source = moves.start(kind, "w")
    before = moves.answer(source)
    status = moves.migrate(kind, "w", "m", copy="StopAndCopy")
    assert status["phase"] == "Succeeded", status
    old = source["metadata"]
    if kind in ("Deployment", "Job"):
        moves.kubectl("wait", "--for=delete", f"pod/{old['name']}", "--timeout=60s")
    target = moves.pod("w")
    after = moves.answer(target)
    assert target["spec"]["nodeName"] == OTHER[source["spec"]["nodeName"]]
    assert target["metadata"]["uid"] != old["uid"]
    if kind in ("StatefulSet", "Pod"):
        assert target["metadata"]["name"] == old["name"]
    assert after.boot == before.boot
    assert after.number == before.number + 1
    assert after.found == after.expected == before.expected
    assert status["measured"]["freezeSeconds"] > 0
    assert status["prediction"]["freezeP95Seconds"] > 0
    if kind == "Job":
        assert "failed" not in moves.get("job", "w")["status"]
