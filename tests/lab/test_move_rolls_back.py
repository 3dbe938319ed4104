"""A restore that must fail, and a cancel: the source runs on and nothing is left over."""

from __future__ import annotations

import pytest

from tests.lab.moves import OTHER, Moves
from tests.lab.on_node import left_over

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

# Waits for this migration's images and takes one away before they are used.
SPOIL = """
for i in $(seq 3000); do
  for f in /var/lib/podferry/attempts/{uid}.1/target/ram/images/core-*.img; do
    [ -e "$f" ] && rm -f "$f" && exit 0
  done
  sleep 0.005
done
exit 1
"""


@pytest.mark.parametrize("kind", ["Deployment", "Job", "StatefulSet", "Pod"])
def test_a_restore_that_fails_leaves_the_source_running_and_nothing_over(
    moves: Moves, kind: str
) -> None:
    pod = moves.start(kind, "w", mb=128)
    before = moves.answer(pod)
    node, name = pod["spec"]["nodeName"], pod["metadata"]["name"]
    moves.request(kind, "w", "m", copy="StopAndCopy")
    uid = moves.get("migration", "m")["metadata"]["uid"]
    moves.cluster.exec(OTHER[node], ["sh", "-c", SPOIL.replace("{uid}", uid)])
    status = moves.ended("m")
    assert status["phase"] == "RolledBack", status
    moves.kubectl("wait", "--for=delete", "pod", "-l", f"podferry.dev/rehearsal={uid}")
    after = moves.answer(moves.pod("w"))
    assert (after.boot, after.number) == (before.boot, before.number + 1)
    assert after.found == after.expected
    kept = moves.pod("w")["metadata"]
    assert (kept["name"], kept["uid"]) == (name, pod["metadata"]["uid"])
    assert kept["labels"] == pod["metadata"]["labels"]
    assert kept.get("ownerReferences") == pod["metadata"].get("ownerReferences")
    assert "podferry.dev/detached-labels" not in kept.get("annotations", {})
    assert moves.get("migration", "m")["metadata"].get("finalizers", []) == []
    if kind == "Job":
        counts = moves.get("job", "w")["status"]
        assert (counts.get("failed", 0), counts.get("active")) == (0, 1), counts
    migration = moves.get("migration", "m")
    for each in (node, OTHER[node]):
        assert left_over(moves.cluster, each, migration, kept["uid"]) == []


def test_a_cancel_before_the_decision_leaves_the_source_running(moves: Moves) -> None:
    pod = moves.start("Deployment", "w", mb=512)
    before = moves.answer(pod)
    moves.request("Deployment", "w", "m", copy="StopAndCopy")
    moves.kubectl("wait", "migration/m", "--for=condition=TargetReady", "--timeout=60s")
    moves.kubectl("patch", "migration", "m", "--type=merge", "-p", '{"spec":{"cancel":true}}')
    status = moves.ended("m")
    assert status["phase"] == "Cancelled", status
    after = moves.answer(moves.pod("w"))
    assert (after.boot, after.number) == (before.boot, before.number + 1)
