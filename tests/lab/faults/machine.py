"""A lab node as this machine sees it: its files and processes, without entering it.

Entering a node costs a tenth of a second or more, which would lie within the measured freeze.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from podferry.lab.cluster import box
from podferry.lab.cluster.state import running
from tests.lab.cluster import Cluster


class Node:
    """One node of a running lab."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.name = name
        self._group = f"/{cluster.lab.cgroup}/{name}"
        init = box.init_pid(running(cluster.lab).processes[name])
        self._root = Path(f"/proc/{init}/root")
        self._tcp = (Path(f"/proc/{init}/net/tcp"), Path(f"/proc/{init}/net/tcp6"))

    def path(self, place: str) -> Path:
        """This machine's path of a file of the node."""
        return self._root / place.lstrip("/")

    def json(self, place: str) -> dict[str, Any]:
        """A JSON file of the node, empty while it is not there."""
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads(self.path(place).read_text())
            return found
        return {}

    def pids(self, but: frozenset[str] = frozenset()) -> list[int]:
        """Every process of the node, by this machine's numbers, lowest first.

        `but`: entries of /proc that are not looked at, as `entries` gave them earlier.
        """
        found = []
        for entry in entries() - but:
            with contextlib.suppress(OSError):
                if self._group in Path(f"/proc/{entry}/cgroup").read_text():
                    found.append(int(entry))
        return sorted(found)

    def listens(self, port: int) -> bool:
        """Whether something in the node's own network takes connections at a TCP port."""
        wanted = f":{port:04X}"
        for table in self._tcp:
            with contextlib.suppress(OSError):
                for line in table.read_text().splitlines()[1:]:
                    words = line.split()
                    if words[1].endswith(wanted) and words[3] == "0A":
                        return True
        return False


def entries() -> frozenset[str]:
    """The numbers of all processes of this machine."""
    return frozenset(filter(str.isdigit, os.listdir("/proc")))


def command(pid: int) -> str:
    """The command line of a process, empty when it is gone."""
    with contextlib.suppress(OSError):
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    return ""


def own_number(pid: int) -> int:
    """The pid that a process has in its node (or the innermost container of it)."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[2]) if len(line.split()) > 2 else pid
    return pid
