"""A ResourceQuota without room for a second pod: refused at once with its numbers."""

from __future__ import annotations

import pytest

from tests.lab.moves import Moves, refusal
from tests.lab.world import moments

pytestmark = [pytest.mark.lab, pytest.mark.faults, pytest.mark.timeout(200)]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_it_is_refused_with_the_quota_s_numbers_and_room_lets_it_go(
    moves: Moves, kind: str
) -> None:
    pod = moves.start(kind, "w", mb=32)
    earlier = moves.answer(pod)
    moves.kubectl("create", "quota", "tight", "--hard=pods=1")
    counted = "jsonpath={.status.used.pods}=1"
    moves.kubectl("wait", "quota/tight", f"--for={counted}", "--timeout=60s")
    moves.migrate(kind, "w", "m")
    reason, message = refusal(moves.get("migration", "m"))
    assert reason == "QuotaExceeded"
    assert "tight" in message
    assert "pods is used 1 of 1" in message
    moves.kubectl("patch", "quota", "tight", "--type=merge", "-p", '{"spec":{"hard":{"pods":"2"}}}')
    moves.kubectl("wait", "quota/tight", "--for=jsonpath={.status.hard.pods}=2", "--timeout=60s")
    moves.kubectl("delete", "migration", "m")
    assert moves.migrate(kind, "w", "m")["phase"] == "Succeeded"
    moments.went_on_once(moves, earlier, moves.get("migration", "m")["metadata"]["uid"])
