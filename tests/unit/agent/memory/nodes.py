"""A node's cgroup and proc files in a folder, from recorded ones; pods come and go there."""

from __future__ import annotations

import shutil
from pathlib import Path

from podferry.agent.memory import telling
from podferry.agent.memory.cgroups import Tree
from podferry.agent.memory.sampler import Sampler

RECORDED = Path(__file__).parent / "recorded"
UID = "12a55e56-c1c5-4403-9e9d-31817214990e"
OTHER = "4fa36f15-eecf-4d82-82e9-d0925948ba6b"
MIB = 1 << 20


class Clock:
    """Monotonic seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeNode:
    """`version` is v1 or v2: the recorded files, in the layout of the cgroupfs driver."""

    def __init__(self, path: Path, version: str = "v1") -> None:
        self.path, self.version = path, version
        self.mount, self.proc = path / "sys/fs/cgroup", path / "proc"
        self.top = self.mount if version == "v2" else self.mount / "memory"
        self.top.mkdir(parents=True)
        if version == "v2":
            (self.mount / "cgroup.controllers").write_text("cpu memory pids\n")
        self._copy("root", self.top)
        self.proc.mkdir()
        shutil.copy(RECORDED / version / "meminfo", self.proc / "meminfo")
        (self.top / "kubepods" / "burstable").mkdir(parents=True)
        self.clock = Clock()
        about = telling.About("node-a", "boot", 1795566478.0, 1.0)
        self.tree = Tree(str(self.mount), str(self.proc / "meminfo"))
        self.sampler = Sampler(self.tree, str(self.proc), about, clock=self.clock)

    def _copy(self, kind: str, folder: Path) -> None:
        for each in (RECORDED / self.version / kind).iterdir():
            shutil.copy(each, folder)

    def pod(self, uid: str = UID, parent: str = "kubepods/burstable", name: str = "") -> Path:
        """A pod begins; its folder."""
        folder = self.top / parent / (name or f"pod{uid}")
        folder.mkdir(parents=True)
        self._copy("pod", folder)
        return folder

    @property
    def usage(self) -> str:
        """Name of the file of a pod's usage."""
        return "memory.current" if self.version == "v2" else "memory.usage_in_bytes"

    def sample(self, seconds: float = 1.0) -> None:
        """Time passes, a sample is taken."""
        self.clock.now += seconds
        self.sampler.sample()

    def use(self, size: int) -> None:
        """The node's working set becomes this (v1)."""
        text = (self.top / "memory.stat").read_text()
        stat = dict(line.split() for line in text.splitlines())
        usage = size + int(stat["total_inactive_file"])
        (self.top / "memory.usage_in_bytes").write_text(f"{usage}\n")
