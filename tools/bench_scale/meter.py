"""What a process costs, read from /proc."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Reading:
    """One look."""

    at: float
    """Monotonic [s]."""
    cpu: float
    """User and system, since the start [s]."""
    rss: int
    """[bytes]"""
    peak: int
    """Largest rss since the start or since `forget_peak` [bytes]."""


def read(pid: int) -> Reading:
    """Look at a process. Raises OSError if it is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    sizes = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(("VmRSS", "VmHWM")):
            name, value, _unit = line.split()
            sizes[name] = int(value) * 1024
    if len(sizes) < 2:
        raise ProcessLookupError(f"process {pid} has ended")
    cpu = (int(fields[11]) + int(fields[12])) / _TICK
    return Reading(time.monotonic(), cpu, sizes["VmRSS:"], sizes["VmHWM:"])


def forget_peak(pid: int) -> None:
    """Begin the peak anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def cores(first: Reading, last: Reading) -> float:
    """Cores used between two looks."""
    return (last.cpu - first.cpu) / (last.at - first.at)
