"""`kubectl exec` and `logs -f` across a move: the one stands against it, the other ends."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from podferry.lab.cluster import inspect
from tests.lab.moves import Moves, refusal
from tests.lab.on_node import processes

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def start(moves: Moves, *argv: str) -> subprocess.Popen[str]:
    """Kubectl beside the test."""
    command = inspect.kubectl_argv(moves.cluster.lab, ("-n", moves.namespace, *argv))
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_a_move_is_refused_while_somebody_is_in_the_container_and_not_after(
    moves: Moves, odd: str
) -> None:
    container: dict[str, Any] = {"name": "app", "image": odd, "imagePullPolicy": "Never"}
    pod = moves.start("Deployment", "w", containers=[container])
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
    with start(moves, "logs", "-f", name) as follower:
        with start(moves, "exec", name, "--", "/holder") as session:
            assert session.stdout is not None
            assert "ready" in session.stdout.readline()
            moves.migrate("Deployment", "w", "refused")
            reason, message = refusal(moves.get("migration", "refused"))
            assert reason == "ExecSession", message
            assert "holder (pid " in message
            assert (
                moves.pod("w")["metadata"]["resourceVersion"] == pod["metadata"]["resourceVersion"]
            )
            (guest,) = processes(moves.cluster, pod["spec"]["nodeName"], uid, "holder")
            moves.cluster.exec(pod["spec"]["nodeName"], ["kill", str(guest.pid)])
            assert session.wait(30) == 0
        before = moves.answer(pod)
        status = moves.migrate("Deployment", "w", "m")
        assert status["phase"] == "Succeeded", status
        assert follower.wait(60) == 0
    moves.gone(pod)
    after = moves.answer(moves.pod("w"))
    assert (after.boot, after.number) == (before.boot, before.number + 1)
    assert f"boot={after.boot}" in moves.kubectl("logs", "deployment/w")
