"""Commands and processes: running one, knowing one again, ending the ones that are ours.

A process is known by its pid and its start time; a pid alone may have been given to another.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from podferry.lab.cluster.errors import LabError


def run(argv: Sequence[str], *, stdin: Path | None = None, check: bool = True) -> str:
    """Run a command to its end and return its output; LabError carries its last words."""
    with Path(stdin or "/dev/null").open("rb") as source:
        done = subprocess.run(list(argv), stdin=source, capture_output=True, check=False)
    if check and done.returncode:
        words = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        last = words[-1] if words else "no output"
        raise LabError(f"{' '.join(argv)}: exit {done.returncode}: {last}")
    return done.stdout.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Process:
    """A process and when it started, in clock ticks since boot."""

    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has `pid` now, None where there is none (or only its zombie)."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        fields = text.rpartition(")")[2].split()
        return None if fields[0] == "Z" else cls(pid=pid, start=int(fields[19]))

    def alive(self) -> bool:
        """Whether exactly this process still runs."""
        return Process.of(self.pid) == self

    def kill(self) -> None:
        """SIGKILL, only while it is this very process."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def in_groups(folders: Iterable[str]) -> set[int]:
    """Pids in these cgroup folders and everything below them."""
    found: set[int] = set()
    for folder in folders:
        for path in Path(folder).rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                found.update(int(pid) for pid in path.read_text().split())
    return found


def end_groups(folders: Sequence[str], *, seconds: float = 20.0) -> None:
    """Kill everything in these cgroups until nothing is left; LabError after `seconds`."""
    deadline = time.monotonic() + seconds
    killed: set[int] = set()
    while True:
        alive = [p for p in map(Process.of, in_groups(folders)) if p and p.pid != os.getpid()]
        if not alive:
            break
        if time.monotonic() > deadline:
            pids = " ".join(str(p.pid) for p in alive)
            raise LabError(f"processes do not end within {seconds:.0f} s: {pids}; look at them")
        _thaw(folders)
        for process in alive:
            process.kill()
            killed.add(process.pid)
        time.sleep(0.05)
    # what has left its cgroup may still be on its way out, or wait for its parent to notice
    while any(_leaving(pid) for pid in killed) and time.monotonic() < deadline:
        time.sleep(0.02)


def _leaving(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and Process.of(pid) is None


def _thaw(folders: Sequence[str]) -> None:
    # a frozen task of cgroup v1 dies only once it is thawed
    for folder in folders:
        for path in Path(folder).rglob("freezer.state"):
            with contextlib.suppress(OSError):
                if path.read_text().strip() != "THAWED":
                    path.write_text("THAWED")


def remove_groups(folders: Sequence[str]) -> None:
    """Remove these cgroup folders from the leaves up."""
    for folder in folders:
        for here, _, _ in os.walk(folder, topdown=False):
            for attempt in range(50):
                try:
                    os.rmdir(here)
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    if attempt == 49:
                        raise LabError(f"cgroup {here} cannot be removed: it is in use") from None
                    time.sleep(0.05)
