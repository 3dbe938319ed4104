"""Images on the target's disk against images in its memory: alternated moves of one run.

`python -m tools.spikes.images_in_memory --lab NAME --tags base,ram` in a running lab with podferry
in it, whose nodes have its image under each tag. For each round and tag the agents are replaced,
then one fresh Deployment of each size is moved by StopAndCopy. Prints one JSON line a move: tag,
size, freeze, parts, and the most that the target's node held in anonymous and shared memory above
what it held before the request. Figures of docs/decisions/0011.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from pathlib import Path

from podferry.lab.cluster.model import Lab
from tests.lab.cluster import Cluster
from tests.lab.moves import OTHER, Moves

MIB = 1 << 20
SYSTEM = ("-n", "podferry-system")


class Peak(threading.Thread):
    """Most anonymous and shared memory of a node (cgroup v1), sampled every 10 ms [bytes]."""

    def __init__(self, stat: Path) -> None:
        super().__init__(daemon=True)
        self._stat, self._over = stat, threading.Event()
        self.first = self.most = self._read()

    def _read(self) -> int:
        counts = dict(line.split() for line in self._stat.read_text().splitlines())
        return int(counts["total_rss"]) + int(counts["total_shmem"])

    def run(self) -> None:
        """Sample until the end."""
        while not self._over.wait(0.01):
            self.most = max(self.most, self._read())

    def end(self) -> int:
        """Bytes above the first sample."""
        self._over.set()
        self.join()
        return self.most - self.first


def use(cluster: Cluster, tag: str) -> None:
    """Replace both agents by those of an image."""
    image = f"registry.lab/podferry:{tag}"
    cluster.kubectl(
        *SYSTEM, "set", "image", "ds/podferry-agent", f"install={image}", f"agent={image}"
    )
    cluster.kubectl(*SYSTEM, "rollout", "status", "ds/podferry-agent", "--timeout=120s")


def move(moves: Moves, lab: Lab, tag: str, mib: int, kind: str) -> dict[str, object]:
    """One fresh workload, one move."""
    pod = moves.start(kind, "w", mb=mib)
    target = OTHER[pod["spec"]["nodeName"]]
    folder = Path(f"/sys/fs/cgroup/memory/podferry-lab-{lab.name}/{target}")
    peak = Peak(folder / "memory.stat")
    peak.start()
    status = moves.migrate(kind, "w", "m", copy="StopAndCopy", targetNode=target)
    most = peak.end()
    found = moves.answer(moves.pod("w")) if status["phase"] == "Succeeded" else None
    moves.kubectl("delete", "migration", "m")
    moves.kubectl("delete", kind, "w", "--now")
    moves.kubectl("wait", "--for=delete", "pod", "-l", "app=w", "--timeout=60s")
    measured = status.get("measured") or {}
    phases = {item["name"]: item["seconds"] for item in measured.get("phases") or []}
    return {
        "tag": tag, "kind": kind, "mib": mib, "end": status["phase"],
        "whole": bool(found and found.found == found.expected),
        "freeze": measured.get("freezeSeconds"), "phases": phases, "peakMiB": most // MIB,
        "load": float(Path("/proc/loadavg").read_text().split()[0]),
    }  # fmt: skip


def main() -> None:
    """Run the rounds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--lab", required=True)
    parser.add_argument("--tags", default="base,ram")
    parser.add_argument("--sizes", default="256,1024,2048")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kind", default="Deployment")
    options = parser.parse_args()
    cluster = Cluster(Lab.named(options.lab))
    space = f"images-{int(time.time())}"
    cluster.kubectl("create", "namespace", space)
    moves = Moves(cluster, space)
    cluster.kubectl("wait", "--for=create", "serviceaccount/default", "-n", space, "--timeout=30s")
    for number in range(options.rounds):
        tags = options.tags.split(",")
        for tag in tags if number % 2 == 0 else reversed(tags):
            use(cluster, tag)
            for mib in map(int, options.sizes.split(",")):
                print(json.dumps(move(moves, cluster.lab, tag, mib, options.kind)), flush=True)
    cluster.kubectl("delete", "namespace", space, "--wait=false")


if __name__ == "__main__":
    main()
