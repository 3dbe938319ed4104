"""A node loses its power in a move: what was frozen there is lost, what was copied goes on."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from tests.lab.moves import OTHER, Moves, why
from tests.lab.world import moments, power, remains

pytestmark = [pytest.mark.faults, pytest.mark.timeout(500)]


def at(moves: Moves, step: str, side: str) -> tuple[dict[str, Any], Any, dict[str, Any], str]:
    """Move `w`, reboot one side before `step`, and see the end of the move."""
    pod = moves.start("Deployment", "w", mb=64)
    earlier = moves.answer(pod)
    source = pod["spec"]["nodeName"]
    with ExitStack() as stand:
        uid = stand.enter_context(moments.held(moves, pod, step))
        power.reboot(moves.cluster, source if side == "source" else OTHER[source])
        stand.close()
        status = moves.ended("m")
    print(f"ended {status['phase']} ({why(status)})")
    return pod, earlier, status, uid


@pytest.mark.parametrize("step", ["source.Sealed", "source.Released"])
def test_a_source_that_reboots_after_the_copy_goes_on_at_the_target(
    moves: Moves, step: str
) -> None:
    _, earlier, status, uid = at(moves, step, "source")
    assert status["phase"] == "Succeeded", status
    moments.went_on_once(moves, earlier, uid)


def test_a_target_that_reboots_before_its_restore_loses_only_a_copy(moves: Moves) -> None:
    _, earlier, status, uid = at(moves, "target.Rehearsed", "target")
    assert status["phase"] in ("Succeeded", "RolledBack"), status
    moments.went_on_once(moves, earlier, uid)


def test_a_target_that_reboots_after_its_restore_gives_the_workload_back(moves: Moves) -> None:
    pod, earlier, status, uid = at(moves, "target.Resumed", "target")
    assert (status["phase"], status["decision"]) == ("RolledBack", "Reverted"), status
    after = moments.went_on_once(moves, earlier, uid)
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]


def test_a_source_that_reboots_before_its_freeze_starts_afresh_once(moves: Moves) -> None:
    _, earlier, status, uid = at(moves, "source.Frozen", "source")
    assert status["phase"] == "RolledBack", status
    moves.kubectl("rollout", "status", "deployment/w", "--timeout=120s")
    fresh = remains.one_pod(moves, "w")
    moves.says(fresh, " ready ")
    assert moves.answer(fresh).boot != earlier.boot
    moments.until(lambda: remains.left_over(moves, uid), "left over")
