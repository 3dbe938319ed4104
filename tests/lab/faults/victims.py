"""Finds and kills one part of podferry, or what it stands on, by pid inside a lab node."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.lab.cluster import Cluster

SYSTEM = "podferry-system"
WAIT_SECONDS = 30.0
_LIST = """
cd /proc
for p in [0-9]*; do printf '%s ' $p; tr '\\0' ' ' <$p/cmdline; echo; done 2>/dev/null
"""


@dataclass(frozen=True)
class Killed:
    """One process that a test ended, and where."""

    victim: str
    node: str
    pid: int

    def __str__(self) -> str:
        return f"{self.victim} pid {self.pid} on {self.node}"


COMMANDS = {
    "agent": "podferry.cli.main agent",
    "controller": "podferry.cli.main controller",
    "wrapper": "/opt/podferry/wrapper.py",
    "criu": "criu",
    "lazy-pages": "criu lazy-pages",
    "containerd": "containerd --config",
    "kubelet": "kubelet --config",
}


def pids(cluster: Cluster, node: str, victim: str) -> list[int]:
    """Processes of that kind in a node, oldest first."""
    wanted = COMMANDS[victim]
    found = []
    for line in cluster.exec(node, ["sh", "-c", _LIST]).splitlines():
        pid, _, command = line.partition(" ")
        program = command.split(" ")[0].rpartition("/")[2]
        shell = program in ("sh", "tr", "bash")
        if wanted in command and not shell and (victim != "criu" or program.startswith("criu")):
            found.append(int(pid))
    return sorted(found)


def kill(cluster: Cluster, node: str, victim: str) -> Killed:
    """kill -9 the one process of that kind, as soon as there is one."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := pids(cluster, node, victim)):
        assert time.monotonic() < deadline, f"no {victim} on {node}"
    cluster.exec(node, ["kill", "-9", str(found[-1])])
    return Killed(victim, node, found[-1])


def kill_leader(cluster: Cluster) -> Killed:
    """kill -9 the controller that holds the Lease."""
    lease = cluster.get("lease", "podferry-controller", "-n", SYSTEM)
    pod = cluster.get("pod", lease["spec"]["holderIdentity"], "-n", SYSTEM)
    killed = kill(cluster, pod["spec"]["nodeName"], "controller")
    return Killed("controller leader", killed.node, killed.pid)


def settle(cluster: Cluster) -> None:
    """New pods for controller and agents: a killed one would be restarted later each time."""
    cluster.kubectl("-n", SYSTEM, "delete", "pods", "--all", "--wait=true", "--grace-period=1")
    for kind in ("deployment/podferry-controller", "daemonset/podferry-agent"):
        cluster.kubectl("-n", SYSTEM, "rollout", "status", kind, "--timeout=120s")
