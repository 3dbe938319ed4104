"""A PodDisruptionBudget that allows no eviction does not stop a move; its pod is not evicted."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.lab.moves import Moves
from tests.lab.world import events, moments

pytestmark = [pytest.mark.lab, pytest.mark.faults, pytest.mark.timeout(200)]


def test_an_eviction_is_refused_in_a_move_that_succeeds(moves: Moves) -> None:
    pod = moves.start("Deployment", "w", mb=32)
    earlier = moves.answer(pod)
    moves.kubectl("create", "poddisruptionbudget", "tight", "--selector=app=w", "--min-available=1")
    seen = "jsonpath={.status.currentHealthy}=1"
    moves.kubectl("wait", "pdb/tight", f"--for={seen}", "--timeout=60s")
    with ExitStack() as stand:
        uid = stand.enter_context(moments.held(moves, pod, "target.Rehearsed"))
        said = events.evict(moves.cluster, pod)
        assert "it is being moved" in said, said
        stand.close()
        status = moves.ended("m")
    assert status["phase"] == "Succeeded", status
    moments.went_on_once(moves, earlier, uid)
