"""One fake node: what is on its disk, which containers and processes it has, and its reboot.

Owns state only. Who acts on it: `kubelet`, `create`, `agent`, `criu`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .clock import Proc, Sim, Work

BOOT_SECONDS = 12.0


@dataclass
class Memory:
    """What makes a copy *the* workload: whose memory, and how often that memory went on.

    `turns` counts how often its owner was let run; an image of an earlier turn is stale.
    """

    turns: int = 0
    whole: bool = True


@dataclass
class Container:
    """One container. `memory` None: started anew, it remembers nothing."""

    id: str
    pod: str
    node: str
    memory: Memory | None = None
    app: bool = True
    alive: bool = True
    frozen: bool = False
    started: bool = False
    exit_code: int | None = None
    ended_at: float = 0.0
    why: str = ""

    @property
    def runs(self) -> bool:
        """Whether its tasks execute."""
        return self.alive and not self.frozen


@dataclass
class Image:
    """A dump of a memory, in the target's memory; a restore that takes pages out spends it."""

    turns: int
    complete: bool = False
    spent: bool = False


IN_MEMORY = ("/images", "/pages")
"""Entries of `Node.disk` that lie in a file system in memory (decision 0011)."""


@dataclass
class Node:
    """See the module. `disk` survives a reboot but for what is IN_MEMORY, `run` does not."""

    sim: Sim
    name: str
    disk: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    procs: dict[str, Proc] = field(default_factory=dict)
    boot: int = 1
    up: bool = True
    containerd_up: bool = True
    starters: dict[str, Callable[[], Work]] = field(default_factory=dict)
    log: Callable[[str], None] = lambda text: None
    made: int = 0

    def lives(self, name: str) -> bool:
        """Whether a process of that name runs."""
        proc = self.procs.get(name)
        return proc is not None and proc.alive

    def start(self, name: str, work: Work, delay: float = 0.0) -> Proc:
        """Start a process; an earlier one of that name must be over."""
        self.procs[name] = self.sim.spawn(f"{self.name}/{name}", work, delay)
        return self.procs[name]

    def kill(self, name: str) -> bool:
        """SIGKILL to a process; True when one was there."""
        proc = self.procs.get(name)
        there = proc is not None and proc.alive
        self.sim.kill(proc)
        return there

    def service(self, name: str, make: Callable[[], Work]) -> None:
        """A process that its supervisor starts again after it ended."""
        self.starters[name] = make
        self.start(name, make())

    def restart(self, name: str, seconds: float) -> bool:
        """Kill a service; its supervisor starts it after a while."""
        there = self.kill(name)
        boot = self.boot

        def again() -> None:
            if self.up and self.boot == boot and not self.lives(name):
                self.start(name, self.starters[name]())

        self.sim.later(seconds, again)
        return there

    def new_container(self, pod: str, memory: Memory | None, **fields: Any) -> Container:
        """A container with tasks."""
        self.made += 1
        made = Container(f"{self.name}-{self.boot}-{self.made}", pod, self.name, memory, **fields)
        self.containers[made.id] = made
        return made

    def freeze(self, identity: str) -> None:
        """Write FROZEN."""
        found = self.containers.get(identity)
        if found is not None and found.alive:
            found.frozen = True

    def thaw(self, identity: str) -> None:
        """Write THAWED; what runs again makes every dump of before stale."""
        found = self.containers.get(identity)
        if found is not None and found.alive and found.frozen:
            found.frozen = False
            if found.memory is not None:
                found.memory.turns += 1

    def end(self, identity: str, why: str, code: int = 137) -> None:
        """The tasks of a container die."""
        found = self.containers.get(identity)
        if found is not None and found.alive:
            found.alive, found.frozen, found.exit_code, found.why = False, False, code, why
            found.ended_at = self.sim.now

    def reboot(self, seconds: float = BOOT_SECONDS) -> None:
        """Everything that runs ends, memory goes, the disk stays; services come back."""
        self.up = False
        for proc in self.procs.values():
            self.sim.kill(proc)
        for identity in list(self.containers):
            self.end(identity, "reboot")
        self.run.clear()
        for name in [name for name in self.disk if name.endswith(IN_MEMORY)]:
            del self.disk[name]
        self.procs.clear()
        self.boot += 1
        self.sim.later(seconds, self._boot)

    def _boot(self) -> None:
        self.up = True
        self.containerd_up = True
        for name, make in self.starters.items():
            self.start(name, make())
