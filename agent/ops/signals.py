"""Signals that wait for a frozen process: what it would do first once it is thawed. Reads only."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

_ENDING = {15: "SIGTERM", 9: "SIGKILL"}


def told_to_end(pids: Iterable[int], proc: Path = Path("/proc")) -> str:
    """`SIGTERM` or `SIGKILL` if one of these processes has it waiting and not blocked, else empty.

    A frozen process neither handles a signal nor, on cgroup v1, dies of it.
    """
    for pid in pids:
        with contextlib.suppress(OSError):
            found = _waiting((proc / str(pid) / "status").read_text())
            if found:
                return found
    return ""


def _waiting(status: str) -> str:
    """The signal, from the text of /proc/<pid>/status."""
    masks = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    own, shared, blocked = (
        int(masks.get(name, "0").strip() or "0", 16) for name in ("SigPnd", "ShdPnd", "SigBlk")
    )
    waiting = (own | shared) & ~blocked
    return next((name for number, name in _ENDING.items() if waiting >> (number - 1) & 1), "")
