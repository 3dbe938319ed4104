"""The node runs out of memory while a workload is frozen on it, and kubelet evicts the pod.

The eviction fails the pod for good, whatever becomes of its tasks: the workload was ended by its
node. It must end there too, so that the memory is free, and its owner starts afresh once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.lab.cluster import Cluster
from tests.lab.faults import judge
from tests.lab.moves import Moves, why
from tests.lab.world import moments

pytestmark = [pytest.mark.faults, pytest.mark.timeout(500)]

# Fills the node's memory, as a program outside of any pod would, until 40 MiB are left of it.
_HOG = """
for g in /sys/fs/cgroup/memory/cgroup.procs /sys/fs/cgroup/init/cgroup.procs; do
  [ -e $g ] && echo 0 > $g
done
exec python3 -I -c '
import os, time
at = "/sys/fs/cgroup/memory/memory."
if os.path.exists(at + "usage_in_bytes"):
    size, used, stat = at + "limit_in_bytes", at + "usage_in_bytes", at + "stat"
else:
    at = "/sys/fs/cgroup/memory."
    size, used, stat = at + "max", at + "current", at + "stat"
word = lambda path: int(open(path).read())
idle = lambda: sum(int(l.split()[1]) for l in open(stat)
                   if l.split()[0] in ("total_inactive_file", "inactive_file")[:1])
kept = []
while word(size) - (word(used) - idle()) > 60 << 20:
    kept.append(bytearray(os.urandom(4096) * 1024))
print("full", flush=True)
time.sleep(600)
'
"""


@contextmanager
def memory_is_full(cluster: Cluster, node: str) -> Iterator[None]:
    """The node has less memory left than kubelet's hard threshold until the block ends."""
    start = f"( {_HOG} ) >/run/hog.out 2>&1 & echo $!"
    pid = cluster.exec(node, ["sh", "-c", start]).split()[0]
    try:
        said = lambda: cluster.exec(node, ["cat", "/run/hog.out"])  # noqa: E731
        moments.until(lambda: "" if "full" in said() else said() or "filling", "not full")
        print(f"memory of {node} is full, pid {pid}")
        yield
    finally:
        cluster.exec(node, ["kill", "-9", pid], check=False)


def test_an_evicted_pod_ends_and_its_owner_starts_afresh_once(moves: Moves) -> None:
    pod = moves.start("Deployment", "w", mb=512)
    earlier = moves.answer(pod)
    node, name = pod["spec"]["nodeName"], pod["metadata"]["name"]
    with ExitStack() as stand:
        uid = stand.enter_context(moments.held(moves, pod, "source.Sealed"))
        with memory_is_full(moves.cluster, node):
            evicted = "jsonpath={.status.reason}=Evicted"
            moves.kubectl("wait", f"pod/{name}", f"--for={evicted}", "--timeout=120s")
            stand.close()
            status = moves.ended("m")
    print(f"ended {status['phase']} ({why(status)})")
    moves.kubectl("delete", "pod", name, "--ignore-not-found", "--wait=true")
    moves.kubectl("rollout", "status", "deployment/w", "--timeout=120s")
    if status["phase"] == "Succeeded":
        moments.went_on_once(moves, earlier, uid)
        return
    fresh = judge.one_pod(moves, "w")
    moves.says(fresh, " ready ")
    assert moves.answer(fresh).boot != earlier.boot
    moments.until(lambda: judge.left_over(moves, uid), "left over")
