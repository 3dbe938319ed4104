"""The target cannot spare the memory that the images need: nothing is frozen, and it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.moves import OTHER, Moves
from tests.lab.on_node import left_over

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

LEFT_MIB = 300
"""More than kubelet needs for calm, less than 128 MiB and what is kept free."""
FILL = "/run/podferry-test-fill"


@contextmanager
def full(moves: Moves, node: str) -> Iterator[None]:
    """A node with less memory to spare than the move needs."""
    group = "/sys/fs/cgroup/memory/memory"
    own = "/sys/fs/cgroup/memory/podferry-test-fill"  # a command from outside is in no node's group
    fill = (
        f"mkdir -p {own} {FILL} && echo $$ > {own}/cgroup.procs &&"
        f" mount -t tmpfs -o size=100% tmpfs {FILL} &&"
        f" free=$(( $(cat {group}.limit_in_bytes) - $(cat {group}.usage_in_bytes)"
        f" + $(sed -n 's/^total_inactive_file //p' {group}.stat) )) &&"
        f" fallocate -l $(( free - {LEFT_MIB << 20} )) {FILL}/taken"
    )
    moves.cluster.exec(node, ["sh", "-c", fill])
    try:
        yield
    finally:
        moves.cluster.exec(node, ["sh", "-c", f"umount {FILL} && rmdir {FILL} {own}"])


def test_a_target_without_memory_to_spare_is_not_harmed_and_nothing_is_frozen(
    moves: Moves,
) -> None:
    pod = moves.start("Deployment", "w", mb=128)
    earlier = moves.answer(pod)
    target = OTHER[pod["spec"]["nodeName"]]
    with full(moves, target):
        moves.request("Deployment", "w", "m", copy="StopAndCopy", targetNode=target)
        status = moves.ended("m")
        migration, uid = moves.get("migration", "m"), pod["metadata"]["uid"]
        left = {node: left_over(moves.cluster, node, migration, uid) for node in OTHER}
    assert status["phase"] == "RolledBack", status
    said = str(status["conditions"])
    assert "TargetShortOfMemory" in said
    assert "nothing was frozen" in said
    assert "freezeSeconds" not in (status.get("measured") or {})
    assert left == {node: [] for node in OTHER}
    kept = moves.pod("w")["metadata"]
    assert (kept["uid"], kept["labels"]) == (uid, pod["metadata"]["labels"])
    later = moves.answer(pod)
    assert (later.boot, later.number) == (earlier.boot, earlier.number + 1)
    assert later.found == later.expected == earlier.expected
