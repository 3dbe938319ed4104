"""PostCopy: the target loses its power before the last page; a person chooses what goes on."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from tests.lab.moves import OTHER, Answer, Moves, why
from tests.lab.world import moments, power, remains

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]
MB = 512
"""Pages begin to come at the rehearsal, and some must be left when criu is stopped; 64 were not."""
STOP_SERVING = "for p in $(pgrep -x criu); do kill -STOP $p && echo stopped criu $p; done"


def ended_while_paging(moves: Moves) -> tuple[dict[str, Any], Answer, str]:
    """A move whose target was rebooted before its last page, and runs anew there."""
    pod = moves.start("Deployment", "w", mb=MB)
    earlier = moves.answer(pod)
    source = pod["spec"]["nodeName"]
    with ExitStack() as stand:
        step = "target.Resumed"
        uid = stand.enter_context(moments.held(moves, pod, step, copy="PostCopy"))
        print(moves.cluster.exec(source, ["sh", "-c", STOP_SERVING]))
        stand.close()
        moves.kubectl("wait", "migration/m", "--for=condition=Paging", "--timeout=60s")
    power.reboot(moves.cluster, OTHER[source])
    path = "jsonpath={.status.conditions[?(@.type=='Paging')].reason}=EndedWhilePaging"
    moves.kubectl("wait", "migration/m", f"--for={path}", "--timeout=120s")
    target = moves.get("migration", "m")["status"]["target"]["pod"]
    again = "jsonpath={.status.containerStatuses[0].restartCount}=1"
    moves.kubectl("wait", f"pod/{target}", f"--for={again}", "--timeout=120s")
    moves.says(moves.get("pod", target), " ready ")
    return pod, earlier, uid


def test_a_cancel_ends_what_began_anew_and_goes_back_to_the_freeze(moves: Moves) -> None:
    pod, earlier, uid = ended_while_paging(moves)
    moves.kubectl("patch", "migration", "m", "--type=merge", "-p", '{"spec":{"cancel":true}}')
    status = moves.ended("m")
    assert (status["phase"], status["decision"]) == ("RolledBack", "Reverted"), status
    after = moments.went_on_once(moves, earlier, uid)
    assert after["metadata"]["uid"] == pod["metadata"]["uid"]


def test_deleting_the_frozen_pod_keeps_what_began_anew(moves: Moves) -> None:
    pod, earlier, uid = ended_while_paging(moves)
    moves.kubectl("delete", "pod", pod["metadata"]["name"], "--wait=false")
    status = moves.ended("m")
    assert (status["phase"], why(status)) == ("ColdRestarted", "EndedWhilePaging"), status
    now = remains.one_pod(moves, "w")
    assert moves.answer(now).boot != earlier.boot
    moments.until(lambda: remains.left_over(moves, uid), "left over")
