"""Waking a frozen source, and ending one for good. See protocol items 1, 2, 11 and 18.

Owns: the order "end this attempt's criu, wait, thaw, read back". Never decides whether to.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from podferry.agent.ops import processes
from podferry.agent.ops.freezer import Cgroup
from podferry.agent.ops.host import Host


def stop_dump(host: Host, folder: str) -> bool:
    """End a dump that may be going on, by its pid file. True when nothing of it is left.

    criu must be gone before the thaw: at its own end it writes FROZEN again.
    """
    with contextlib.suppress(FileNotFoundError, ValueError):
        pid = int(Path(host.path(f"{folder}/dump.pid")).read_text())
        return processes.end_tree(pid, folder)
    return True


def thaw(host: Host, cgroup: Cgroup, folder: str) -> bool:
    """End this attempt's criu, then thaw until it holds. True when the source runs."""
    if not stop_dump(host, folder) or not stop_tracers(cgroup):
        return False
    return not cgroup.exists() or cgroup.thaw()


def stop_tracers(cgroup: Cgroup) -> bool:
    """End every criu that still holds a task of this group. True when none is left.

    A criu whose runc was killed works on without it, and no pid file names it; at its end it would
    write FROZEN over our thaw, for ever.
    """
    return all([processes.end_tree(pid, "criu") for pid in tracers(cgroup)])


def tracers(cgroup: Cgroup) -> set[int]:
    """Processes that trace a task of this group."""
    found: set[int] = set()
    for pid in cgroup.pids():
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                for line in (task / "status").read_text().splitlines():
                    if line.startswith("TracerPid:"):
                        found.add(int(line.split()[1]))
    return found - {0}


def reset_connections(host: Host, netns: str, *peer: str) -> int:
    """Abort every TCP connection in a network namespace so that peers see a reset.

    `peer`: a filter of ss, for instance `dst 10.0.0.1`; without it all.

    Returns how many established ones were aborted. Needs the kernel's INET_DIAG_DESTROY; without
    it 0, and the peers learn of the end when the tasks are killed.
    """
    done = host.run(
        [
            "nsenter", f"--net={netns}", "--",
            "ss", "-K", "-H", "-t", "state", "connected", *peer,
        ],
        timeout=5,
    )  # fmt: skip
    # Half-open and waiting ones are aborted too, but nobody talks on them.
    established = [line for line in done.stdout.splitlines() if line.startswith("ESTAB")]
    return len(established) if done.returncode == 0 else 0
