"""The memory does not fit on the target's disk: the source runs on and nothing is left over.

Only the file system with podferry's attempts is small: with the node's whole disk full, kubelet
would collect the lab's images and report pressure for the next five minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.moves import OTHER, Moves
from tests.lab.on_node import left_over

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

MB = 192
ROOM_MB = 96
ATTEMPTS = "/var/lib/podferry/attempts"


@contextmanager
def small_disk(moves: Moves, node: str) -> Iterator[None]:
    """A node whose attempts have less room than the workload has memory."""
    options = f"size={ROOM_MB}m,mode=0700"
    moves.cluster.exec(node, ["mount", "-t", "tmpfs", "-o", options, "tmpfs", ATTEMPTS])
    try:
        yield
    finally:
        moves.cluster.exec(node, ["umount", ATTEMPTS])


def test_a_move_for_which_the_target_has_no_disk_leaves_the_source_running(moves: Moves) -> None:
    pod = moves.start("Deployment", "w", mb=MB)
    before = moves.answer(pod)
    target = OTHER[pod["spec"]["nodeName"]]
    with small_disk(moves, target):
        moves.request("Deployment", "w", "m", copy="StopAndCopy", targetNode=target)
        status = moves.ended("m")
        migration, uid = moves.get("migration", "m"), pod["metadata"]["uid"]
        left = {node: left_over(moves.cluster, node, migration, uid) for node in OTHER}
    assert status["phase"] == "RolledBack", status
    assert left == {node: [] for node in OTHER}
    assert migration["metadata"].get("finalizers", []) == []
    kept = moves.pod("w")["metadata"]
    assert kept["uid"] == uid
    assert kept["labels"] == pod["metadata"]["labels"]
    assert "podferry.dev/detached-labels" not in kept.get("annotations", {})
    after = moves.answer(pod)
    assert (after.boot, after.number) == (before.boot, before.number + 1)
    assert after.found == after.expected == before.expected
