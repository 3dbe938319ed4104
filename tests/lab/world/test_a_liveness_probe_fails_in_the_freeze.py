"""Kubelet gives a frozen container up: it must not be killed for the time in which we froze it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from tests.lab.moves import Moves, pod_spec, why
from tests.lab.world import moments

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]
PROBE = {"tcpSocket": {"port": 9000}, "periodSeconds": 2, "failureThreshold": 6}
"""Kubelet kills after 12 s without an answer; a frozen container gives none."""


def start(moves: Moves) -> dict[str, Any]:
    """The counter with the probe."""
    containers = [{**pod_spec(64)["containers"][0], "livenessProbe": PROBE}]
    return moves.start("Deployment", "w", mb=64, containers=containers)


def given_up(moves: Moves, pod: dict[str, Any]) -> str:
    """Empty once kubelet has tried to end the container."""
    argv = ["sh", "-c", "cat /run/podferry/hold/* 2>/dev/null; true"]
    return "" if "kill" in moves.cluster.exec(pod["spec"]["nodeName"], argv) else "no kill yet"


def test_a_target_that_kubelet_gave_up_before_its_resume_goes_on_once(moves: Moves) -> None:
    pod = start(moves)
    earlier = moves.answer(pod)
    with ExitStack() as stand:
        uid = stand.enter_context(moments.held(moves, pod, "target.Resumed"))
        moments.until(lambda: given_up(moves, pod), "kubelet did not give it up")
        stand.close()
        status = moves.ended("m")
    # The probe of the target fails as well; what it was told must not end it after its resume.
    print(f"ended {status['phase']} ({why(status)})")
    assert status["phase"] in ("Succeeded", "RolledBack"), status
    after = moments.went_on_once(moves, earlier, uid)
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0


@pytest.mark.lab
def test_a_freeze_that_takes_too_long_ends_before_kubelet_kills(moves: Moves) -> None:
    pod = start(moves)
    earlier = moves.answer(pod)
    with ExitStack() as stand:
        uid = stand.enter_context(moments.held(moves, pod, "target.Rehearsed"))
        moments.until(lambda: silent(moves, pod), "it did not wake up by itself", 30)
        stand.close()
        status = moves.ended("m")
    assert status["phase"] == "RolledBack", status
    after = moments.went_on_once(moves, earlier, uid)
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0


def test_a_sealed_source_that_kubelet_gave_up_is_not_killed_after_its_thaw(moves: Moves) -> None:
    pod = start(moves)
    earlier = moves.answer(pod)
    name = pod["metadata"]["name"]
    with ExitStack() as stand:
        uid = stand.enter_context(moments.held(moves, pod, "target.Resumed"))
        moments.until(lambda: given_up(moves, pod), "kubelet did not give it up")
        # The target is lost, so the decision is taken back and the source thaws.
        target = moves.get("migration", "m")["status"]["target"]["pod"]
        moves.kubectl("delete", "pod", target, "--force", "--grace-period=0")
        status = moves.ended("m")
    assert status["decision"] == "Reverted", status
    # Kubelet's next word on it: the probe answers again.
    moves.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
    after = moments.went_on_once(moves, earlier, uid)
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0


def silent(moves: Moves, pod: dict[str, Any]) -> str:
    """Empty once the pod answers."""
    try:
        moves.ask(pod, "sum")
    except AssertionError as error:
        return str(error)
    return ""
