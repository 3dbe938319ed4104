"""Looks at every copy of a workload while a cell runs: when one ran, and whether two did at once.

A copy is a process named `counter`; it wakes a hundred times a second, so one that does not is not
running. It is read from this machine's /proc, every 50 ms.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

EVERY_SECONDS = 0.05
LOOK_FOR_NEW_EVERY = 3
PROGRAM = "counter"
TURNS = 2
LONG_SECONDS = 0.25
"""A look that came so late says nothing of what happened at the same time."""


@dataclass(frozen=True)
class Look:
    """What one process showed: its turns on a processor, and whether it may take more."""

    turns: int
    free: bool


def look(pid: int) -> Look | None:
    """One process now; None when it is gone."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        folder = Path(f"/proc/{pid}")
        words = {}
        for line in (folder / "status").read_text().splitlines():
            name, _, value = line.partition(":")
            words[name] = value.strip()
        # One that is being killed gave its memory up already and runs in the kernel only.
        free = words["State"][0] in "RS" and words["TracerPid"] == "0" and "VmRSS" in words
        return Look(int((folder / "schedstat").read_text().split()[2]), free)
    return None


def look_states(pid: int) -> str:
    """State and signals of one process, and the end of its group's name, for a person to read."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/status").read_text()
        words = [line.split()[1] for line in text.splitlines()
                 if line.startswith(("State", "ShdPnd", "SigPnd", "VmRSS"))]  # fmt: skip
        groups = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        freezer = [line.rpartition("/")[2][:8] for line in groups if ":freezer:" in line]
        return " ".join([*words, *freezer])
    return "gone"


def copies(group: str, pod_uids: set[str]) -> list[int]:
    """Every copy in a lab, of pods whose uid is in `pod_uids`."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{entry}/comm").read_text().strip() != PROGRAM:
                continue
            text = Path(f"/proc/{entry}/cgroup").read_text().replace("_", "-")
            if group in text and not any(uid in text for uid in pod_uids):
                found.append(int(entry))
    return found


@dataclass
class Watch:
    """Started with a cell, ended with it; then `longest_stop` and `doubled` say what was seen.

    `others`: uids of pods of other workloads that run the same program.
    """

    group: str
    others: set[str]
    spans: list[tuple[float, float, int]] = field(default_factory=list)
    """Begin, end and number of copies that ran, one a look."""
    seen_at_once: list[tuple[object, ...]] = field(default_factory=list)
    """Where it was more than one: when, how long the look was, turns and state of each by pid."""
    began: float = field(default_factory=time.monotonic)
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Look until `stop`."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        known: list[int] = []
        before: dict[int, Look] = {}
        at, turn = time.monotonic(), 0
        while not self._end.wait(EVERY_SECONDS):
            if turn % LOOK_FOR_NEW_EVERY == 0:
                known = copies(self.group, self.others)
            turn += 1
            now = time.monotonic()
            seen = {pid: found for pid in known if (found := look(pid)) is not None}
            ran = {
                pid: found.turns - before[pid].turns
                for pid, found in seen.items()
                if pid in before and before[pid].free and found.free
            }
            ran = {pid: turns for pid, turns in ran.items() if turns >= TURNS}
            if len(ran) > 1:
                states = {pid: look_states(pid) for pid in ran}
                self.seen_at_once.append(
                    (round(now - self.began, 3), round(now - at, 3), ran, states)
                )
            self.spans.append((at, now, len(ran)))
            before, at = seen, now

    def longest_stop(self) -> float:
        """The longest time in which no copy ran [s]."""
        longest, since = 0.0, None
        for begin, end, ran in self.spans:
            if ran:
                since = None
                continue
            since = begin if since is None else since
            longest = max(longest, end - since)
        return longest

    def doubled(self) -> int:
        """In how many looks two copies ran at once."""
        return sum(ran > 1 and end - begin < LONG_SECONDS for begin, end, ran in self.spans)
