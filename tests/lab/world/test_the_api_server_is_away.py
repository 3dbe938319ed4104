"""20 s without an API server while a workload is frozen: nothing is guessed, it goes on once."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.lab.moves import Moves, why
from tests.lab.world import events, moments

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]
AWAY_SECONDS = 20.0


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("source.Sealed", marks=pytest.mark.lab),  # frozen, nothing decided
        "target.Resumed",  # decided, and running nowhere
        "source.Released",  # running on the target
    ],
)
def test_the_workload_goes_on_once(moves: Moves, step: str) -> None:
    pod = moves.start("Deployment", "w", mb=64)
    earlier = moves.answer(pod)
    with ExitStack() as stand:
        uid = stand.enter_context(moments.held(moves, pod, step))
        with events.api_server_hangs(moves.cluster, AWAY_SECONDS):
            stand.close()
    moves.kubectl("wait", "--for=create", "migration/m", "--timeout=60s")
    status = moves.ended("m")
    print(f"ended {status['phase']} ({why(status)})")
    assert status["phase"] in ("Succeeded", "RolledBack"), status
    moments.went_on_once(moves, earlier, uid)
