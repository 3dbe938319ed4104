"""An upgrade in the middle of a move, and pods that are asked for all through."""

from __future__ import annotations

import json
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.lab.cluster import Cluster
from tests.lab.moves import Moves, why, workload
from tests.lab.releases import ROOT, Release
from tests.lab.world import moments

SYSTEM = ("-n", "podferry-system")
AGENTS = ("pods", *SYSTEM, "-l", "app.kubernetes.io/name=podferry-agent")
AT_ONCE = 50
HEARD_SECONDS = 2.0
"""From its deletion in the API server an agent has its signal by then."""


@dataclass
class Pair:
    """Two releases of which one is installed; an upgrade puts the other one in its place."""

    installed: Release
    other: Release

    def begin(self, cluster: Cluster) -> subprocess.Popen[str]:
        """Begin to install the other one."""
        self.installed, self.other = self.other, self.installed
        return self.installed.begin(cluster)


def finish(installation: subprocess.Popen[str]) -> None:
    """Return once an installation is done; an AssertionError carries what it said."""
    said, _ = installation.communicate(timeout=240)
    assert installation.returncode == 0, said


def leaving(cluster: Cluster) -> list[str]:
    """Nodes whose agent is being replaced right now."""
    pods = cluster.get(*AGENTS)["items"]
    return [one["spec"]["nodeName"] for one in pods if one["metadata"].get("deletionTimestamp")]


def during(moves: Moves, pair: Pair, step: str, kind: str, copy: str) -> dict[str, Any]:
    """Upgrade while a move stands before `step`; returns its status once all is over.

    The step goes on once the first agent was told to end. The workload must be that very process.
    """
    pod = moves.start(kind, "w")
    earlier = moves.answer(pod)
    with moments.held(moves, pod, step, kind, copy) as uid:
        installation = pair.begin(moves.cluster)
        moments.until(lambda: "" if leaving(moves.cluster) else "none", "no agent was told to end")
        time.sleep(HEARD_SECONDS)
        print("agents told to end on", leaving(moves.cluster))
    status = moves.ended("m")
    print(f"{kind} {copy} {step}: {status['phase']} {why(status)}")
    finish(installation)
    moments.went_on_once(moves, earlier, uid)
    return status


@dataclass
class Requests:
    """Pods that opted in, asked for one after the other."""

    accepted: int = 0
    refused: list[str] = field(default_factory=list)


@contextmanager
def pods_all_through(moves: Moves) -> Iterator[Requests]:
    """Ask for pods over and over (as a dry run: admission is the same) until the block ends.

    Many by one kubectl, which asks for one after the other: the gap to be found is short.
    """
    seen, over = Requests(), threading.Event()
    argv = ("create", "--dry-run=server", "-f", "-")
    pods = [json.loads(workload("Pod", f"asked-{number}")) for number in range(AT_ONCE)]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": pods})

    def ask() -> None:
        while not over.is_set():
            said = moves.kubectl(*argv, stdin=text, check=False).splitlines()
            created = [line for line in said if " created" in line]
            seen.accepted += len(created)
            seen.refused += [line for line in said if line and line not in created]

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@contextmanager
def pair(cluster: Cluster, this: Release, later: Release) -> Iterator[Pair]:
    """Both releases; at the end this one is installed again."""
    found = Pair(this, later)
    try:
        yield found
    finally:
        if found.installed is not this:
            finish(found.begin(cluster))


def commands_of_the_how_to() -> list[list[str]]:
    """Arguments of each kubectl line of docs/how-to/upgrade.md."""
    page = ROOT / "docs" / "how-to" / "upgrade.md"
    lines = [line.strip() for line in page.read_text().splitlines() if line.startswith("    ")]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("kubectl ")]
