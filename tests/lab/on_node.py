"""What the kernel of a node says of a pod's tasks, and what an attempt left behind there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from podferry.wire import layout
from tests.lab.cluster import Cluster

Side = tuple[str, str]
"""Role and stage, as in `wire/stages.py`."""

# Runs in the node: every task of the workload (not of the sandbox) of one pod.
_TASKS = """
import json, os, sys
uid, name, found = sys.argv[1], sys.argv[2], []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        groups = open(f"/proc/{pid}/cgroup").read()
        if uid not in groups.replace("_", "-") or open(f"/proc/{pid}/comm").read().strip() != name:
            continue
        freezer = next((l.split(":")[2] for l in groups.splitlines() if ":freezer:" in l), None)
        if freezer is None:
            path = groups.splitlines()[-1].split(":")[2].strip()
            frozen = "frozen 1" in open(f"/sys/fs/cgroup{path}/cgroup.events").read()
        else:
            place = f"/sys/fs/cgroup/freezer{freezer.strip()}/freezer.state"
            frozen = open(place).read().strip() == "FROZEN"
        status = dict(l.split(":", 1) for l in open(f"/proc/{pid}/status"))
        sizes, ran, states = [], 0, ""
        for line in open(f"/proc/{pid}/smaps"):
            if line.startswith("Size:"):
                sizes.append(int(line.split()[1]) * 1024)
        for task in os.listdir(f"/proc/{pid}/task"):
            ran += int(open(f"/proc/{pid}/task/{task}/schedstat").read().split()[2])
            states += open(f"/proc/{pid}/task/{task}/stat").read().rpartition(")")[2].split()[0]
        found.append({"pid": int(pid), "frozen": frozen, "states": states, "runs": ran,
                      "rss": int(status.get("VmRSS", "0").split()[0]) * 1024,
                      "heap": max(sizes, default=0)})
    except FileNotFoundError:
        continue
print(json.dumps(found))
"""


# Runs in the node: returns once the file says so; the agent writes it in one step.
_REACHED = """
import json, sys, time
path, stage, deadline = sys.argv[1], sys.argv[2], time.monotonic() + 60
while time.monotonic() < deadline:
    try:
        seen = json.load(open(path))
    except FileNotFoundError:
        seen = {}
    if seen.get("stage") == stage:
        sys.exit(0)
    time.sleep(0.02)
sys.exit(f"{path}: {seen}")
"""


@dataclass(frozen=True)
class Process:
    """One process: its pid in the node, frozen by its cgroup or not, its memory [bytes].

    `states` has one letter of /proc/PID/stat a task; `runs` counts how often they got a processor.
    """

    pid: int
    frozen: bool
    states: str
    runs: int
    rss: int
    heap: int


def processes(cluster: Cluster, node: str, pod_uid: str, program: str = "counter") -> list[Process]:
    """The processes of a pod that run `program`, as the node's kernel sees them now."""
    said = cluster.exec(node, ["python3", "-I", "-c", _TASKS, pod_uid, program])
    return [Process(**one) for one in json.loads(said)]


def reached(cluster: Cluster, node: str, migration: dict[str, Any], side: Side) -> None:
    """Return once the agent of `node` has durably reached a stage of the first attempt."""
    uid = migration["metadata"]["uid"]
    path = f"{layout.side_dir(uid, 1, side[0])}/observed.json"
    cluster.exec(node, ["python3", "-I", "-c", _REACHED, path, side[1]])


def left_over(cluster: Cluster, node: str, migration: dict[str, Any], pod_uid: str) -> list[str]:
    """What one ended attempt still holds on a node: files, markers, criu, nft tables, freezers."""
    uid = migration["metadata"]["uid"]
    script = (
        f"ls -d /var/lib/podferry/attempts/{uid}.1/*/ram 2>/dev/null;"
        f" grep -F /attempts/{uid}.1/ /proc/mounts;"
        f" ls /var/lib/podferry/blocked 2>/dev/null | grep {pod_uid}; ls /run/podferry/hold;"
        " find /run/podferry/waiting /run/podferry/deferred -type f 2>/dev/null;"
        # An agent asks criu what it can, now and then; such a one ends by itself.
        " pgrep -a criu | grep -vE ' (--help|--version|check .*)$';"
        " for n in /run/netns/* /var/run/netns/*; do [ -e $n ] || continue;"
        "   nsenter --net=$n nft list tables 2>/dev/null | grep -E 'podferry|CRIU'; done;"
        " grep -lE 'FROZEN|FREEZING' $(find /sys/fs/cgroup/freezer -name freezer.state"
        " 2>/dev/null) /dev/null;"
        " grep -l 'frozen 1' $(find /sys/fs/cgroup -name cgroup.events 2>/dev/null) /dev/null;"
        " true"
    )
    return [line for line in cluster.exec(node, ["sh", "-c", script]).split("\n") if line]
