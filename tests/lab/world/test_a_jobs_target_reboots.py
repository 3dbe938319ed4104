"""The target of a Job that allows no failed pod loses its power: the Job counts nothing."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.lab.moves import OTHER, Moves
from tests.lab.world import moments, power

pytestmark = [pytest.mark.faults, pytest.mark.timeout(500)]


def test_a_jobs_target_that_reboots_before_it_runs_counts_no_failed_pod(moves: Moves) -> None:
    pod = moves.start("Job", "w", mb=64)
    assert moves.get("job", "w")["spec"]["backoffLimit"] == 0
    earlier = moves.answer(pod)
    with ExitStack() as stand:
        uid = stand.enter_context(moments.held(moves, pod, "target.Resumed", "Job"))
        power.reboot(moves.cluster, OTHER[pod["spec"]["nodeName"]])
        stand.close()
        status = moves.ended("m")
    assert (status["phase"], status["decision"]) == ("RolledBack", "Reverted"), status
    after = moments.went_on_once(moves, earlier, uid)
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]
    counts = moves.get("job", "w")["status"]
    assert (counts.get("failed", 0), counts.get("conditions", [])) == (0, []), counts
