"""What a workload and others wrote arrives with content, mode, owner and time, there and back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab import odd_image
from tests.lab.moves import OTHER, Moves
from tests.lab.on_node import processes
from tests.lab.trees import change, describe

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

PLACES = ("/etc", "/opt", "/tmp", "/data", "/dev/shm")
RECORDS = "/data/records"
KUBELETS = ("hosts", "hostname", "resolv.conf")
"""Below /etc; made anew for every pod."""
CONTAINER = {
    "name": "app",
    "image": odd_image.NAME,
    "imagePullPolicy": "Never",
    "env": [{"name": "MB", "value": "32"}, {"name": "RECORDS", "value": RECORDS}],
    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
}
VOLUMES = [{"name": "data", "emptyDir": {}}]
CHANGES = """
put("/etc/overwritten", b"by hand", 0o600, (1234, 5678))
os.unlink(at("/etc/deleted"))
os.unlink(at("/etc/becomes-a-link"))
os.symlink("/proc/self/../../nowhere", at("/etc/becomes-a-link"))
for name in ("gone", "anew"):
    for file in os.listdir(at(f"/opt/{name}")):
        os.unlink(at(f"/opt/{name}/{file}"))
    os.rmdir(at(f"/opt/{name}"))
os.mkdir(at("/opt/anew"), 0o1770)
put("/opt/anew/new", b"new", 0o4711, (1, 2))
for place in ("/tmp", "/data", "/dev/shm"):
    put(f"{place}/random", os.urandom(300_001), 0o640, (65534, 7))
    put(f"{place}/unreadable", b"", 0o000)
    put(f"{place}/" + "a name\\n with \\u00fc and \\udcff", b"x")
    os.mkdir(at(f"{place}/folder"), 0o700)
    put(f"{place}/folder/first", b"linked")
    os.link(at(f"{place}/folder/first"), at(f"{place}/second"))
    os.mkfifo(at(f"{place}/fifo"), 0o622)
    with open(at(f"{place}/sparse"), "wb") as file:
        file.truncate(64 << 20)
        file.seek(20 << 20)
        file.write(b"in the middle")
    os.setxattr(at(f"{place}/random"), "user.note", b"\\x00\\xff")
    os.utime(at(f"{place}/random"), (1_000_000_000, 1_000_000_000))
os.chmod(at("/data"), 0o2750)
os.chown(at("/data"), 999, 999)
"""


def files(moves: Moves, pod: dict[str, Any]) -> dict[str, Any]:
    """Everything below PLACES but the records, which grow, and kubelet's own files."""
    node = pod["spec"]["nodeName"]
    (process,) = processes(moves.cluster, node, pod["metadata"]["uid"])
    found = describe(moves.cluster, node, process.pid, *PLACES)
    skipped = (repr(RECORDS), *(repr(f"/etc/{name}") for name in KUBELETS))
    return {path: entry for path, entry in found.items() if path not in skipped}


def records(moves: Moves, pod: dict[str, Any]) -> list[int]:
    """Numbers that the workload itself appended, all under one boot id."""
    node = pod["spec"]["nodeName"]
    (process,) = processes(moves.cluster, node, pod["metadata"]["uid"])
    text = moves.cluster.exec(node, ["cat", f"/proc/{process.pid}/root{RECORDS}"])
    lines = [line.split() for line in text.splitlines()]
    assert len({line[0] for line in lines}) == 1
    return [int(line[2]) for line in lines]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_files_arrive_as_they_were_and_once_more_on_the_way_back(
    moves: Moves, odd: str, kind: str
) -> None:
    container = {**CONTAINER, "image": odd}
    pod = moves.start(kind, "w", containers=[container], volumes=VOLUMES)
    node = home = pod["spec"]["nodeName"]
    (process,) = processes(moves.cluster, home, pod["metadata"]["uid"])
    change(moves.cluster, home, process.pid, CHANGES)
    wanted = files(moves, pod)
    assert len(wanted) > 30
    written = len(records(moves, pod))
    for name in ("there", "back"):
        node = OTHER[node]
        status = moves.migrate(kind, "w", name, targetNode=node, copy="StopAndCopy")
        assert status["phase"] == "Succeeded", status
        moves.gone(pod)
        pod = moves.pod("w")
        assert pod["spec"]["nodeName"] == node
        assert files(moves, pod) == wanted
        now = records(moves, pod)
        assert now == list(range(1, len(now) + 1))
        assert len(now) > written
        written = len(now)
