"""Finds and kills one part of podferry, or what it stands on, by pid."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.lab.faults.machine import Node, command, own_number

WAIT_SECONDS = 30.0
SHELLS = ("sh", "bash", "tr", "runc", "nsenter", "env")
_POLL = 0.001


@dataclass(frozen=True)
class Killed:
    """One process that a test ended: its pid in its node, and what it was doing."""

    victim: str
    node: str
    pid: int
    command: str
    here: int
    """Its pid by this machine's numbers."""

    def __str__(self) -> str:
        return f"{self.victim} pid {self.pid} on {self.node} ({self.command[:100].strip()})"


def _has(*words: str) -> Callable[[str], bool]:
    return lambda line: all(word in line for word in words)


KINDS: dict[str, Callable[[str], bool]] = {
    "agent": lambda line: "podferry.cli.main agent" in line and " install" not in line,
    "controller": _has("podferry.cli.main controller"),
    "wrapper": _has("/opt/podferry/wrapper.py", " create "),
    "criu": lambda line: "lazy-pages --page-server" not in line,
    "lazy-pages": _has("lazy-pages", "--page-server"),
    "containerd": _has("containerd --config"),
    "kubelet": _has("kubelet --config"),
}


def find(node: Node, kind: str, old: frozenset[str] = frozenset()) -> list[int]:
    """Processes of that kind in a node, by this machine's numbers, lowest first; none of `old`."""
    found = []
    for pid in node.pids(old):
        line = command(pid)
        program = line.split(" ")[0].rpartition("/")[2].rstrip(":")
        if program in SHELLS or not line or not KINDS[kind](line):
            continue
        if kind not in ("criu", "lazy-pages") or program == "criu":
            found.append(pid)
    return found


def kill(
    node: Node,
    kind: str,
    victim: str,
    *,
    but: int = 0,
    pid: int = 0,
    old: frozenset[str] = frozenset(),
) -> Killed:
    """kill -9 one process of that kind, as soon as there is one; the first if there are several.

    `but`: not this one, by this machine's number. `pid`: only this one, by the node's number.
    `old`: entries of /proc that need no look, so that one that lives a moment only is met.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        assert time.monotonic() < deadline, f"no {kind} on {node.name}"
        for one in find(node, kind, old):
            seen = Killed(victim, node.name, own_number(one), command(one), one)
            if one == but or pid not in (0, seen.pid):
                continue
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
                return seen
        time.sleep(_POLL)
