"""Memory of our processes: what they hold when idle, and the source's peak during a move.

Reads /proc and cgroups of this machine, where the lab's processes are seen like any other. criu,
runc and the dead-man are started by the agent: in its container's cgroup, or in a group of the node
that outlives it. Both together are what podferry costs a node.
"""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
SAMPLES_PER_SECOND = 40
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes: sum of the resident sets of a group's processes, and what the kernel charges it.

    The second also counts page cache of files that were written, and kernel memory.
    """

    rss: int
    charged: int


@dataclass(frozen=True, slots=True)
class Group:
    """One container's cgroup, and for an agent the node's group of what it started detached."""

    folders: tuple[Path, ...]
    usage: str
    """Name of the file that says what a folder is charged [bytes]."""

    @staticmethod
    def of_pid(pid: int) -> Group:
        """The memory group of a process. Raises OSError when it is gone."""
        unified = ""
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                return Group((Path(f"/sys/fs/cgroup/memory{path}"),), "memory.usage_in_bytes")
            if not controllers:
                unified = path
        return Group((Path(f"/sys/fs/cgroup{unified}"),), "memory.current")

    @staticmethod
    def of_agent(pid: int) -> Group:
        """An agent's group and the group `podferry` of its node (agent/ops/host.py)."""
        own = Group.of_pid(pid)
        node = Path(str(own.folders[0]).partition("/kubepods")[0])
        return Group((*own.folders, node / "podferry"), own.usage)

    def read(self) -> Usage:
        """Its usage now.

        A process between fork and exec shows its parent's memory and command line: counted once.
        """
        rss, charged, seen = 0, 0, set()
        for folder in self.folders:
            if not folder.exists():
                continue  # nothing was started detached on this node yet
            charged += int((folder / self.usage).read_text())
            for pid in (folder / "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError, IndexError):  # ended meanwhile
                    line = Path(f"/proc/{pid}/cmdline").read_bytes()
                    if line not in seen:
                        rss += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
                    seen.add(line)
        return Usage(rss, charged)


def find(lab_cgroup: str, word: str) -> list[int]:
    """Pids of `podferry WORD` (controller, agent) below that cgroup, on this machine."""
    found = []
    wanted = f"podferry.cli.main\0{word}\0".encode()
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if (
                name.isdigit()
                and wanted in Path(f"/proc/{name}/cmdline").read_bytes()
                and f"/{lab_cgroup}/" in Path(f"/proc/{name}/cgroup").read_text()
            ):
                found.append(int(name))
    return sorted(found)


class Peak:
    """Samples one group from `start` to `stop` in a thread of its own."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._idle = group.read()
        self._most = self._idle
        self._samples = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, float]:
        """MiB above what the group held at the start, and how many samples that rests on."""
        self._over.set()
        self._thread.join()
        return {
            "extra_rss": (self._most.rss - self._idle.rss) / MIB,
            "extra_cgroup": (self._most.charged - self._idle.charged) / MIB,
            "memory_samples": float(self._samples),
        }

    def _run(self) -> None:
        while not self._over.wait(1 / SAMPLES_PER_SECOND):
            with contextlib.suppress(OSError):
                now = self._group.read()
                rss = max(now.rss, self._most.rss)
                self._most = Usage(rss, max(now.charged, self._most.charged))
                self._samples += 1
