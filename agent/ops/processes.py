"""Processes of an attempt by pid and proof. Owns ending them; never ends what it cannot prove."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path


def command_line(pid: int) -> str:
    """The command line of a process, empty when it is gone."""
    with contextlib.suppress(OSError):
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        return raw.replace(b"\0", b" ").decode(errors="replace")
    return ""


def alive(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def children(pid: int) -> list[int]:
    """All descendants, parents before children."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *children(int(child))]
    return found


def end_tree(pid: int, proof: str, *, seconds: float = 10.0) -> bool:
    """SIGKILL `pid` and its descendants if its command line holds `proof`; wait until gone.

    Returns True when nothing of it is left (or nothing of ours was there).
    """
    if not alive(pid) or proof not in command_line(pid):
        return True
    victims = _stopped_tree(pid)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        living = [item for item in victims if alive(item)]
        if not living:
            return True
        for item in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(item, signal.SIGKILL)
        time.sleep(0.002)
    return False


def _stopped_tree(pid: int) -> list[int]:
    """Stop a process before its children are listed: one that still forks would lose us some."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    # A fork that already began ends before the stop, and only then shows its child.
    deadline = time.monotonic() + 1
    while _moving(pid) and time.monotonic() < deadline:
        time.sleep(0.001)
    found = [pid]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += _stopped_tree(int(child))
    return found


def _moving(pid: int) -> bool:
    """Whether any thread of a process is neither stopped nor dead."""
    for place in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(OSError, IndexError):
            if place.read_text().rpartition(")")[2].split()[0] not in "TtZX":
                return True
    return False
