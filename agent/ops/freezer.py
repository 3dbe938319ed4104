"""The freezer of one container, cgroup v1 or v2. Owns writing it and reading it back.

Never uses `runc pause|resume`: during a dump CRIU writes the same file, and then runc refuses.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from podferry.agent.ops.host import Host

_SETTLE_SECONDS = 5.0
_POLL_SECONDS = 0.001


def freezer_path(table: str) -> tuple[str, bool]:
    """From the text of /proc/<pid>/cgroup: path of the freezer group, and whether it is v2."""
    unified = ""
    for line in table.splitlines():
        _, controllers, path = line.split(":", 2)
        if "freezer" in controllers.split(","):
            return f"/sys/fs/cgroup/freezer{path}", False
        if controllers == "":
            unified = path
    return f"/sys/fs/cgroup{unified}", True


@dataclass(frozen=True, slots=True)
class Cgroup:
    """A container's freezer group; `folder` is the agent's own path of it."""

    folder: Path
    v2: bool

    @staticmethod
    def of_pid(host: Host, pid: int) -> Cgroup:
        """The group of a process of the node. Raises FileNotFoundError when it is gone."""
        table = Path(f"/proc/{pid}/cgroup").read_text()
        path, v2 = freezer_path(table)
        return Cgroup(Path(host.path(path)), v2)

    def exists(self) -> bool:
        """Whether the group is there; it goes with its container."""
        return self.folder.exists()

    def pids(self) -> list[int]:
        """Tasks groups (processes) in it and below, empty when the group is gone."""
        found: list[int] = []
        with contextlib.suppress(FileNotFoundError):
            for procs in self.folder.rglob("cgroup.procs"):
                with contextlib.suppress(OSError):
                    found += [int(line) for line in procs.read_text().split()]
            if not any(self.folder.iterdir()):
                return []
        return sorted(set(found))

    def is_frozen(self) -> bool:
        """Read back from the kernel: every task is frozen."""
        try:
            if self.v2:
                return "frozen 1" in (self.folder / "cgroup.events").read_text()
            return (self.folder / "freezer.state").read_text().strip() == "FROZEN"
        except FileNotFoundError:
            return False

    def freeze(self) -> bool:
        """Write and read back until it holds, 5 s at most. True when frozen."""
        return self._write_until(frozen=True)

    def thaw(self) -> bool:
        """Write and read back until it holds, 5 s at most. True when thawed."""
        return self._write_until(frozen=False)

    def kill(self) -> bool:
        """SIGKILL every task, thawed so that it dies, until none is left. True when empty."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            tasks = self.pids()
            if not tasks:
                return True
            for pid in tasks:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._write(frozen=False)
            time.sleep(_POLL_SECONDS)
        return not self.pids()

    def _write_until(self, *, frozen: bool) -> bool:
        deadline = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < deadline:
            if not self._write(frozen=frozen):
                return False
            if self.is_frozen() is frozen:
                return True
            time.sleep(_POLL_SECONDS)
        return self.is_frozen() is frozen

    def _write(self, *, frozen: bool) -> bool:
        try:
            if self.v2:
                (self.folder / "cgroup.freeze").write_text("1" if frozen else "0")
            else:
                (self.folder / "freezer.state").write_text("FROZEN" if frozen else "THAWED")
        except OSError:
            return False
        return True
