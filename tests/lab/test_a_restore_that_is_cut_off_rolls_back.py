"""The wrapper is killed in its restore, when pages are out of the images already: a roll back."""

from __future__ import annotations

import pytest

from tests.lab.moves import OTHER, Moves
from tests.lab.on_node import left_over

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

# Runs in the node: stops the wrapper and its criu once the images shrink, kills one of them and
# lets the other go on. Prints what it killed and how much of the images was left; fails if that was
# all or nothing. It comes before other work of a busy machine: a restore may take less than a turn.
KILL = """
import glob, os, signal, sys, time
os.nice(-20)
uid, victim = sys.argv[1:]
images = f"/var/lib/podferry/attempts/{uid}.1/target/ram/images"
def size():
    return sum(os.stat(path).st_blocks * 512 for path in glob.glob(f"{images}/pages-*.img"))
def pids():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{pid}/cmdline", "rb").read().decode().split("\\0")
        except OSError:
            continue
        wrapper = "/opt/podferry/wrapper.py" in words
        criu = words[0].rpartition("/")[2].startswith("criu")
        if wrapper or criu:
            yield int(pid), "wrapper" if wrapper else "criu"
deadline = time.monotonic() + 60
while not os.path.exists(f"{images}/SPENT"):
    assert time.monotonic() < deadline
whole = size()
while size() >= whole:
    assert time.monotonic() < deadline
found = list(pids())
for pid, _ in found:
    os.kill(pid, signal.SIGSTOP)
left = size()
killed = [pid for pid, what in found if what == victim]
for pid, what in found:
    os.kill(pid, signal.SIGKILL if what == victim else signal.SIGCONT)
said = f"{victim} {killed}: {left >> 20} of {whole >> 20} MiB left in the images"
print(said)
sys.exit(0 if killed and 0 < left < whole else said)
"""


@pytest.mark.parametrize("victim", ["wrapper", "criu"])
def test_images_that_lost_pages_are_never_restored(moves: Moves, victim: str) -> None:
    pod = moves.start("Deployment", "w", mb=768)
    earlier = moves.answer(pod)
    node = pod["spec"]["nodeName"]
    moves.request("Deployment", "w", "m", copy="StopAndCopy", targetNode=OTHER[node])
    migration = moves.get("migration", "m")
    uid = migration["metadata"]["uid"]
    argv = ["python3", "-I", "-c", KILL, uid, victim]
    print(moves.cluster.exec(OTHER[node], argv))
    status = moves.ended("m")
    assert status["phase"] == "RolledBack", status
    later = moves.answer(moves.pod("w"))
    assert (later.boot, later.number) == (earlier.boot, earlier.number + 1)
    assert later.found == later.expected == earlier.expected
    for each in OTHER:
        assert left_over(moves.cluster, each, migration, pod["metadata"]["uid"]) == []
