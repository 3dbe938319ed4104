"""The leader is stopped past its Lease and wakes up when the other one has done its work."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.lab.moves import Moves
from tests.lab.world import events, moments

pytestmark = [pytest.mark.lab, pytest.mark.faults, pytest.mark.timeout(300)]


def test_it_does_nothing_any_more(moves: Moves) -> None:
    cluster = moves.cluster
    pod = moves.start("Deployment", "w", mb=64)
    earlier = moves.answer(pod)
    with ExitStack() as awake:
        with moments.held(moves, pod, "source.Sealed") as uid:
            old = events.leader(cluster)
            (stale,) = [it for it in events.controllers(cluster) if it["metadata"]["name"] == old]
            node, pid = stale["spec"]["nodeName"], str(events.pid_of(cluster, stale))
            cluster.exec(node, ["kill", "-STOP", pid])
            awake.callback(cluster.exec, node, ["kill", "-CONT", pid], False)
            print(f"stopped the leader {old}, pid {pid} on {node}")
            moments.until(lambda: events.leader(cluster) in (old, ""), "no new leader", 60)
        status = moves.ended("m")
        assert status["phase"] == "Succeeded", status
        moments.went_on_once(moves, earlier, uid)
        done = moves.get("migration", "m")["metadata"]["resourceVersion"]
        awake.close()
        # It ends by itself: its caches and plans are those of a former leader.
        ended = ["kill", "-0", pid]
        moments.until(lambda: cluster.exec(node, ["sh", "-c", " ".join(ended) + " 2>/dev/null"
                      " && echo lives; true"]), "the stale leader lives on", 60)  # fmt: skip
    assert moves.get("migration", "m")["metadata"]["resourceVersion"] == done
    assert events.leader(cluster) not in (old, "")
    after = moves.answer(moves.pod("w"))
    assert (after.boot, after.number) == (earlier.boot, earlier.number + 2)
    assert after.found == after.expected
