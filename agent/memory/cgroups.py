"""The memory cgroups of a node: where they are mounted, the root's and the pods' numbers.

The sums are those of kubelet. Its eviction manager observes `memory.available` as
`availableBytes` of the summary's node (kubernetes v1.36.3, pkg/kubelet/eviction/helpers_others.go,
makeMemoryAvailableSignalObservation), and that is limit - working set of the root cgroup
(pkg/kubelet/stats/helper.go, cadvisorInfoToCPUandMemoryStats):
- limit of the root: MemTotal of /proc/meminfo (cadvisor v0.56.2, container/raw/handler.go, GetSpec)
- working set: usage - inactive file pages, 0 at least (container/libcontainer/handler.go,
  setMemoryStats): v1 memory.usage_in_bytes - total_inactive_file, v2 memory.current - inactive_file
- usage of the real root of v2, which has no memory.current: anon + file of its memory.stat
  (opencontainers/cgroups v0.0.6, fs2/memory.go, rootStatsFromMeminfo)
- resident: total_rss of v1, anon of v2 (setMemoryStats)
A second signal, `allocatableMemory.available`, has the same threshold: limit - working set of the
cgroup of all pods, where that has a limit (helpers.go, makeSignalObservations and
addAllocatableThresholds). With memory reserved for the system it is often the first to be met.

Owns: those files and sums. Never does: keep what it read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from podferry.agent.memory.files import Garbage, Gone, KernelFile, field, number, pressure

MOUNT = "/sys/fs/cgroup"
_POD = re.compile(
    r"(?:.*-)?pod("
    r"[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32}"
    r")(?:\.slice)?"
)
"""cgroupfs: pod<uid>; systemd: kubepods-burstable-pod<uid with _>.slice. A static pod's uid is 32
hexadecimal digits, the value of its mirror's annotation kubernetes.io/config.mirror."""
_KUBEPODS = re.compile(r"(?:.*-)?kubepods(?:\.slice)?")
_UNLIMITED = 1 << 62
"""More is no limit, as for kubelet (stats/helper.go, isMemoryUnlimited) [bytes]."""
_QOS = re.compile(r"(?:.*-)?(?:burstable|besteffort)(?:\.slice)?")


@dataclass(frozen=True, slots=True)
class Reading:
    """One cgroup at one moment [bytes]; PSI only of v2."""

    working_set: int
    rss: int
    pressure: tuple[float, float] | None = None


class Group:
    """The files of one cgroup. `root`: the node's own, which v2 does not account like others."""

    def __init__(self, folder: str, *, v2: bool, root: bool = False) -> None:
        self.folder = folder
        self._v2, self._root = v2, root
        usage = "memory.current" if v2 else "memory.usage_in_bytes"
        self._usage: KernelFile | None = KernelFile(f"{folder}/{usage}")
        self._stat = KernelFile(f"{folder}/memory.stat")
        self._pressure = KernelFile(f"{folder}/memory.pressure") if v2 else None
        self._limit = KernelFile(f"{folder}/{'memory.max' if v2 else 'memory.limit_in_bytes'}")
        self._prefix = b"" if v2 else b"total_"

    def read(self) -> Reading:
        """What it uses now. Raises Gone, Garbage or OSError."""
        usage = self._read_usage()
        text, path = self._stat.read(), self._stat.path
        rss = field(text, b"anon" if self._v2 else b"total_rss", path)
        if usage is None:
            usage = rss + field(text, b"file", path)
        inactive = field(text, self._prefix + b"inactive_file", path)
        return Reading(max(0, usage - inactive), rss, self._read_pressure())

    def limit(self) -> int | None:
        """What it may use [bytes]; None: as much as there is. Raises as `read`."""
        text = self._limit.read()
        if text.strip() == b"max":
            return None
        found = number(text, self._limit.path)
        return None if found > _UNLIMITED else found

    def _read_usage(self) -> int | None:
        if self._usage is None:
            return None
        try:
            return number(self._usage.read(), self._usage.path)
        except Gone:
            if not (self._root and self._v2):
                raise
            self._usage = None
            return None

    def _read_pressure(self) -> tuple[float, float] | None:
        """None where the kernel has no PSI: missing, or EOPNOTSUPP if it was booted without."""
        if self._pressure is None:
            return None
        try:
            return pressure(self._pressure.read(), self._pressure.path)
        except Garbage:
            return None
        except (Gone, OSError):
            self._pressure = None
            return None

    def close(self) -> None:
        """Give the descriptors back."""
        for each in (self._usage, self._stat, self._limit, self._pressure):
            if each is not None:
                each.close()


class Tree:
    """The node's memory hierarchy.

    Args:
        mount: the agent's path of the node's /sys/fs/cgroup.
        meminfo: the agent's path of the node's /proc/meminfo.
    """

    def __init__(self, mount: str, meminfo: str) -> None:
        self.v2 = os.path.exists(f"{mount}/cgroup.controllers")
        self.folder = mount if self.v2 else f"{mount}/memory"
        self._meminfo = meminfo
        self._kubepods = ""

    def root(self) -> Group:
        """The root cgroup, of whose working set kubelet's `memory.available` is made."""
        return Group(self.folder, v2=self.v2, root=True)

    def group(self, folder: str) -> Group:
        """A pod's cgroup, or that of all pods."""
        return Group(folder, v2=self.v2)

    @property
    def kubepods(self) -> str:
        """Folder of the cgroup of all pods; empty while `pods` has not found it."""
        return self._kubepods

    def capacity(self) -> int:
        """MemTotal [bytes]. Raises Garbage or OSError."""
        with open(self._meminfo, "rb") as source:
            text = source.read(65536)
        found = re.search(rb"^MemTotal:\s*([0-9]{1,15}) kB", text, re.MULTILINE)
        if found is None or not int(found[1]):
            raise Garbage(f"{self._meminfo}: there is no MemTotal")
        return int(found[1]) * 1024

    def pods(self) -> dict[str, str]:
        """Folder of each pod's cgroup by uid, with dashes. Raises OSError."""
        top = self._kubepods or self._find_kubepods()
        if not top:
            return {}
        found: dict[str, str] = {}
        try:
            folders = [top, *(f"{top}/{name}" for name in os.listdir(top) if _QOS.fullmatch(name))]
        except FileNotFoundError:
            self._kubepods = ""
            return {}
        for folder in folders:
            for uid, name in _pods_in(folder):
                found[uid] = f"{folder}/{name}"
        return found

    def _find_kubepods(self) -> str:
        """At the top, or one below where kubelet has a `cgroupRoot`."""
        names = sorted(os.listdir(self.folder))
        for name in names:
            if _KUBEPODS.fullmatch(name):
                self._kubepods = f"{self.folder}/{name}"
                return self._kubepods
        for name in names:
            below = f"{self.folder}/{name}"
            if not os.path.isdir(below):
                continue
            for inner in sorted(os.listdir(below)):
                if _KUBEPODS.fullmatch(inner):
                    self._kubepods = f"{below}/{inner}"
                    return self._kubepods
        return ""


def _pods_in(folder: str) -> Iterator[tuple[str, str]]:
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        if "pod" in name and (found := _POD.fullmatch(name)):
            yield found[1].replace("_", "-"), name
