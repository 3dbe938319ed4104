"""What must hold after any fault: the workload went on once, and nothing is left over."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.lab.faults.machine import Node, command
from tests.lab.moves import Answer, Moves

SETTLE_SECONDS = 10.0
"""For what ends by itself right after a move: killed tasks, pods on their way out."""
OURS = ("page_receiver.py", "page_sender.py", "podferry-deadman", "wrapper.py", "podferry-detached")
_LEFT = r"""
ls -d /var/lib/podferry/attempts/*/*/ram 2>/dev/null
ls -d /run/podferry/hold/* /run/podferry/hook/* 2>/dev/null
states=$(find /sys/fs/cgroup/freezer -name freezer.state 2>/dev/null)
for f in $(grep -LF THAWED $states /dev/null); do
  [ $f != /dev/null ] || continue
  [ -z "$(cat $(dirname $f)/tasks)" ] || echo "frozen $f"
done
for n in /var/run/netns/*; do
  [ -e "$n" ] || continue
  nsenter --net=$n nft list tables 2>/dev/null | grep -E 'podferry|CRIU' | sed "s|^|$n |"
done
true
"""


def on_node(moves: Moves, node: Node) -> set[str]:
    """What of any attempt a node holds: files, holds, frozen groups, nft tables, processes."""
    said = moves.cluster.exec(node.name, ["sh", "-c", _LEFT])
    found = {f"{node.name}: {line}" for line in said.splitlines() if line.strip()}
    for pid in node.pids():
        line = command(pid)
        program = line.split(" ")[0].rpartition("/")[2]
        # An agent asks criu what it can, now and then; such a one ends by itself.
        asked = any(word in line for word in (" --help", " --version", " check "))
        if (program.startswith("criu") and not asked) or any(word in line for word in OURS):
            found.add(f"{node.name}: pid {pid} {line[:120]}")
    return found


def on_nodes(moves: Moves, nodes: dict[str, Node]) -> set[str]:
    """The same of all nodes."""
    with ThreadPoolExecutor() as pool:
        return set().union(*pool.map(lambda node: on_node(moves, node), nodes.values()))


def in_cluster(moves: Moves, migration: str, app: str, labels: dict[str, str]) -> set[str]:
    """What the API server still holds of a finished Migration."""
    found = set()
    finalizers = moves.get("migration", migration)["metadata"].get("finalizers")
    if finalizers:
        found.add(f"finalizers {finalizers}")
    pods = moves.get("pods", "-l", f"app={app}")["items"]
    if len(pods) != 1:
        found.add(f"pods {sorted(pod['metadata']['name'] for pod in pods)}")
    for pod in pods:
        notes = pod["metadata"].get("annotations") or {}
        if "podferry.dev/detached-labels" in notes:
            found.add(f"pod {pod['metadata']['name']} is detached: {json.dumps(notes)}")
        now = pod["metadata"].get("labels") or {}
        if now != labels:
            found.add(f"pod {pod['metadata']['name']}: labels {now}, were {labels}")
    return found


def left_over(
    moves: Moves, nodes: dict[str, Node], before: set[str], app: str, pod: dict[str, Any], name: str
) -> list[str]:
    """What is left of Migration `name`, once nothing goes away by itself any more."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        found = in_cluster(moves, name, app, pod["metadata"].get("labels") or {})
        found |= on_nodes(moves, nodes) - before
        if not found or time.monotonic() > deadline:
            return sorted(found)


def went_on(before: Answer, after: Answer) -> str:
    """Empty if the one process went on with its memory whole, else what is wrong."""
    if after.boot != before.boot:
        return f"another process answers: {before.boot} was {before.number}, now {after.boot}"
    if after.number != before.number + 1:
        return f"count {before.number} is followed by {after.number}"
    if after.found != after.expected:
        return f"memory changed: {after.found}, expected {after.expected}"
    return ""
