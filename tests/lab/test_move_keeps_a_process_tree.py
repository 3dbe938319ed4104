"""A tree of processes goes on: threads, a zombie, a daemon, half-closed connections, clocks.

The nodes of a lab share a kernel and so its clocks; what criu made of them is read from the kernel.
"""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from tests.lab.cluster import PODFERRY_LAB
from tests.lab.moves import OTHER, Moves
from tests.lab.on_node import processes

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

# Two connections that are closed in one direction only: by us, and by the server.
CLIENT = """
import socket, sys
both = [socket.create_connection((sys.argv[1], 9000), timeout=5) for _ in range(2)]
both[0].shutdown(socket.SHUT_WR)
both[1].sendall(b"h")
assert both[1].recv(1) == b""
print("half", flush=True)
both[0].settimeout(60)
try:
    print("closed" if not both[0].recv(1) else "data")
except OSError as error:
    print(type(error).__name__)
"""
# Runs in the node: states of the sockets of a pod's port 9000, found by one of its processes.
_STATES = """
import sys
lines = open(f"/proc/{sys.argv[1]}/net/tcp").read().splitlines()[1:]
print(*sorted(l.split()[3] for l in lines if l.split()[1].endswith(":2328")))
"""
CLOSE_WAIT, FIN_WAIT2, LISTEN = "08", "05", "0A"


def family(image: str) -> dict[str, Any]:
    """The container."""
    return {"name": "app", "image": image, "imagePullPolicy": "Never", "command": ["/family"]}


def lines(moves: Moves, pod: dict[str, Any]) -> list[dict[str, int]]:
    """What the family said in this pod, oldest first."""
    said = moves.kubectl("logs", pod["metadata"]["name"]).splitlines()
    found = [dict(word.split("=") for word in line.split()) for line in said if "mono=" in line]
    return [{key: int(value) for key, value in line.items()} for line in found]


def tree(moves: Moves, pod: dict[str, Any]) -> str:
    """One dot a living task, Z for a zombie, a word a process."""
    found = processes(moves.cluster, pod["spec"]["nodeName"], pod["metadata"]["uid"], "family")
    return " ".join(sorted(re.sub("[^Z]", ".", one.states) for one in found))


def offsets(moves: Moves, pod: dict[str, Any]) -> dict[str, float]:
    """Offsets [s] of the time namespace of the init process."""
    node = pod["spec"]["nodeName"]
    init = min(one.pid for one in processes(moves.cluster, node, pod["metadata"]["uid"], "family"))
    text = moves.cluster.exec(node, ["cat", f"/proc/{init}/timens_offsets"])
    rows = [line.split() for line in text.splitlines()]
    return {name: int(seconds) + int(nano) / 1e9 for name, seconds, nano in rows}


def test_a_tree_with_threads_a_zombie_and_a_daemon_goes_on_and_no_clock_goes_back(
    moves: Moves, odd: str
) -> None:
    source = moves.start("Deployment", "w", containers=[family(odd)])
    moves.says(source, "zombie=7")
    client = subprocess.Popen(
        [*PODFERRY_LAB, "exec", "--name", moves.cluster.name, "control", "--",
         "python3", "-I", "-c", CLIENT, source["status"]["podIP"]],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert client.stdout is not None
    assert client.stdout.readline().strip() == "half"
    node, members = source["spec"]["nodeName"], tree(moves, source)
    assert members == ". . . .. Z"
    one = processes(moves.cluster, node, source["metadata"]["uid"], "family")[0]
    states = moves.cluster.exec(node, ["python3", "-I", "-c", _STATES, str(one.pid)]).split()
    assert states == sorted([CLOSE_WAIT, FIN_WAIT2, LISTEN])
    before = lines(moves, source)[-1]
    status = moves.migrate("Deployment", "w", "m", copy="StopAndCopy")
    assert status["phase"] == "Succeeded", status
    assert client.communicate(timeout=70)[0].strip() == "ConnectionResetError"
    moves.gone(source)
    target = moves.pod("w")
    moves.says(target, "mono=")
    assert target["spec"]["nodeName"] == OTHER[node]
    assert tree(moves, target) == members
    after = lines(moves, target)
    first = after[0]
    assert (first["zombie"], first["idle"], first["back"]) == (7, 1, 0)
    for clock in ("mono", "boottime"):
        assert first[clock] > before[clock]
    for counter in ("thread", "child", "daemon"):
        assert first[counter] > before[counter]
    # Between the two clocks lies a part of the freeze, which the program did not live through.
    moved = offsets(moves, target)
    for name in ("monotonic", "boottime"):
        assert -status["measured"]["freezeSeconds"] < moved[name] < 0, moved
    assert after[-1]["back"] == 0
