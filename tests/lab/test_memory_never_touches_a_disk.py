"""Random bytes in a workload's memory are on no disk of a node, neither in a move nor after it."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.breakpoints import before
from tests.lab.cluster import Cluster
from tests.lab.moves import OTHER, Moves
from tests.lab.on_node import left_over, processes, reached

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

# Runs in the node, where the canary is only ever in memory: into the half of the workload's memory
# that nobody reads, and into its /dev/shm. With one argument: how often the first holds it.
CANARY = """
import os, sys
pid, canary = sys.argv[1], bytes.fromhex(sys.argv[2])
spans = [line.split()[0].split("-") for line in open(f"/proc/{pid}/maps") if " rw-p " in line]
low, high = max(((int(a, 16), int(b, 16)) for a, b in spans), key=lambda span: span[1] - span[0])
middle = (low + high) // 2 & ~4095
with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
    memory.seek(middle)
    if sys.argv[3] == "write":
        memory.write(canary * 16384)
        with open(f"/proc/{pid}/root/dev/shm/canary", "wb") as file:
            file.write(canary * 16384)
    else:
        shared = open(f"/proc/{pid}/root/dev/shm/canary", "rb").read()
        print(memory.read(1 << 20).count(canary), shared.count(canary))
"""


def canary(moves: Moves, pod: dict[str, Any], text: bytes, action: str) -> str:
    """Write the canary into a pod's one process, or count it there."""
    node = pod["spec"]["nodeName"]
    (process,) = processes(moves.cluster, node, pod["metadata"]["uid"])
    argv = ["python3", "-I", "-c", CANARY, str(process.pid), text.hex(), action]
    return moves.cluster.exec(node, argv).strip()


def disks(cluster: Cluster) -> Iterator[Path]:
    """Everything on this machine's disk that makes up the nodes: file systems, logs, folders."""
    for node in OTHER:
        cluster.exec(node, ["sync"])
        for folder, _, names in os.walk(cluster.lab.box_home(node)):
            yield from (Path(folder, name) for name in names)


def found_in(path: Path, text: bytes) -> bool:
    """Whether a file's blocks hold these bytes; holes are passed over."""
    with open(path, "rb") as file:
        end, position = os.fstat(file.fileno()).st_size, 0
        while position < end:
            try:
                position = os.lseek(file.fileno(), position, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                return False
            hole = os.lseek(file.fileno(), position, os.SEEK_HOLE)
            start = position - position % mmap.ALLOCATIONGRANULARITY
            with mmap.mmap(file.fileno(), hole - start, offset=start, prot=mmap.PROT_READ) as data:
                if data.find(text) >= 0:
                    return True
            position = hole
    return False


def disks_with(cluster: Cluster, text: bytes) -> list[str]:
    """The files on disk in which these bytes are."""
    return [str(path) for path in disks(cluster) if path.is_file() and found_in(path, text)]


@pytest.mark.parametrize("copy", ["StopAndCopy", "PostCopy"])
def test_what_a_workload_has_in_memory_is_on_no_disk_in_a_move_and_after_it(
    moves: Moves, copy: str
) -> None:
    pod = moves.start("Deployment", "w", mb=64)
    node = pod["spec"]["nodeName"]
    secret = os.urandom(64)
    canary(moves, pod, secret, "write")
    with before(moves.cluster, OTHER[node], "target", "Rehearsed"):
        moves.request("Deployment", "w", "m", copy=copy, targetNode=OTHER[node])
        migration = moves.get("migration", "m")
        reached(moves.cluster, node, migration, ("source", "Frozen"))
        halted = disks_with(moves.cluster, secret)
    status = moves.ended("m")
    assert status["phase"] == "Succeeded", status
    assert canary(moves, moves.pod("w"), secret, "count") == "16384 16384"
    assert (halted, disks_with(moves.cluster, secret)) == ([], [])
    for each in OTHER:
        assert "/ram" not in "".join(left_over(moves.cluster, each, migration, "no pod"))


def test_the_search_finds_what_is_on_a_disk(moves: Moves) -> None:
    secret = os.urandom(64)
    script = "import sys; open('/var/lib/here', 'wb').write(bytes.fromhex(sys.argv[1]) * 64)"
    moves.cluster.exec("node-b", ["python3", "-I", "-c", script, secret.hex()])
    found = disks_with(moves.cluster, secret)
    moves.cluster.exec("node-b", ["rm", "/var/lib/here"])
    assert [Path(path).name for path in found] == ["fs.img"]
    assert "node-b" in found[0]
