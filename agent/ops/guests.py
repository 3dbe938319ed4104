"""Processes that somebody brought into a container from outside: `kubectl exec`, exec probes.

They are not in the tree of the container's init process, which is what CRIU dumps: it passes over
them in silence, and they end with the source. Reads /proc only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Guest:
    """A process by its pid on the node, and its name."""

    pid: int
    name: str


def find(pids: Iterable[int], *, proc: Path = Path("/proc")) -> list[Guest]:
    """Return the living guests among the processes of one container, by pid.

    A guest's parent is outside of the container; only the init process has that, too. What a guest
    left behind belongs to the init process by then, and travels.
    """
    known = set(pids)
    found = []
    for pid in sorted(known):
        with contextlib.suppress(OSError, KeyError, IndexError, ValueError):
            lines = (proc / str(pid) / "status").read_text().splitlines()
            status = {
                key: value.strip() for key, _, value in (line.partition(":") for line in lines)
            }
            is_init = status["NSpid"].split()[-1] == "1"
            if not is_init and int(status["PPid"]) not in known and status["State"][0] not in "ZX":
                found.append(Guest(pid, status["Name"]))
    return found


def words(guests: list[Guest]) -> str:
    """Why they stand against a move, and what to do."""
    shown = ", ".join(f"{one.name} (pid {one.pid} of the node)" for one in guests[:_SHOWN])
    more = f" and {len(guests) - _SHOWN} more" if len(guests) > _SHOWN else ""
    return (
        f"{len(guests)} process(es) were brought in from outside, by kubectl exec or by an exec"
        f" probe: {shown}{more}; they cannot travel and would be lost; end that session, or wait"
        " until it has ended"
    )
