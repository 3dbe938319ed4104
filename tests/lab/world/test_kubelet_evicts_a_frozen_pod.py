"""The node runs out of memory while a workload is frozen on it, and kubelet wants to evict the pod.

Its kill is held as long as the source is frozen; the workload goes on at the target, and the memory
is free with the end of the move.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.lab.cluster import Cluster
from tests.lab.moves import Moves, why
from tests.lab.on_node import processes
from tests.lab.world import moments

pytestmark = [pytest.mark.faults, pytest.mark.timeout(500)]

LEFT_MIB = 60
"""Less than the 100 MiB below which the lab's kubelet evicts."""
_FILL = """
root=/sys/fs/cgroup/memory; own=$root/podferry-test-fill
size=memory.limit_in_bytes; used=memory.usage_in_bytes; idle=total_inactive_file
if [ ! -d $root ]; then
  root=/sys/fs/cgroup; own=$root/podferry-test-fill
  size=memory.max; used=memory.current; idle=inactive_file
fi
mkdir -p $own PLACE && echo $$ > $own/cgroup.procs && mount -t tmpfs -o size=100% tmpfs PLACE
free=$(( $(cat $root/$size) - $(cat $root/$used) + $(sed -n "s/^$idle //p" $root/memory.stat) ))
fallocate -l $(( free - (LEFT << 20) )) PLACE/taken
echo $$ > $root/cgroup.procs && rmdir $own; true
"""
_PLACE = "/run/podferry-test-fill"


@contextmanager
def memory_is_full(cluster: Cluster, node: str) -> Iterator[None]:
    """The node has less memory to spare than kubelet's hard threshold until the block ends."""
    script = _FILL.replace("PLACE", _PLACE).replace("LEFT", str(LEFT_MIB))
    cluster.exec(node, ["sh", "-c", script])
    print(f"memory of {node} is full")
    try:
        yield
    finally:
        cluster.exec(node, ["sh", "-c", f"umount {_PLACE} && rmdir {_PLACE}"])
        # kubelet would report the pressure for five minutes more; a new one looks for itself.
        kubelet = cluster.exec(node, ["pgrep", "-f", "kubelet --config"]).split()[0]
        cluster.exec(node, ["kill", "-9", kubelet])
        calm = f"node/{node}", "--for=condition=MemoryPressure=False", "--timeout=120s"
        cluster.kubectl("wait", *calm)


def swallowed(cluster: Cluster, node: str) -> str:
    """The calls to end the frozen source that the wrapper answered and did not carry out."""
    return cluster.exec(node, ["sh", "-c", "cat /run/podferry/hold/* 2>/dev/null; true"])


def test_an_eviction_that_begins_in_the_freeze_does_not_end_the_workload(moves: Moves) -> None:
    pod = moves.start("Deployment", "w", mb=512)
    earlier = moves.answer(pod)
    node, uid = pod["spec"]["nodeName"], pod["metadata"]["uid"]
    with ExitStack() as until_the_end:
        with moments.held(moves, pod, "source.Sealed") as migration:
            # Not earlier: kubelet looks every 10 s, and may evict the pod before it is frozen.
            until_the_end.enter_context(memory_is_full(moves.cluster, node))
            # kubelet tells of an eviction once the tasks are gone; until then only this shows it.
            moments.until(lambda: not swallowed(moves.cluster, node), "kubelet evicts nothing")
            print(f"kubelet evicts: {swallowed(moves.cluster, node).splitlines()[0][-90:]}")
            (process,) = processes(moves.cluster, node, uid)
            assert process.frozen
        status = moves.ended("m")
        print(f"ended {status['phase']} ({why(status)})")
        assert status["phase"] == "Succeeded", status
        moments.until(lambda: processes(moves.cluster, node, uid), "the source's tasks stay")
    moments.went_on_once(moves, earlier, migration)
