"""The fake agent's engine: real rules (`agent.machine`), orders on a fake disk, work as processes.

Owns: accepting orders, one work process a side, going on after a restart, answers. Mirrors
`agent/engine.py`; what a stage does is in `source` and `target`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from podferry.agent import machine
from podferry.agent.errors import Refused
from podferry.agent.machine import Ruling, SideState
from podferry.wire import layout
from podferry.wire.stages import Observed, Order, Progress, Role

from .clock import Proc, Sim, Work
from .node import Node

TEND_SECONDS = 0.25
SWEEP_SECONDS = 4.0
"""The janitor's; it is a minute in the agent, shorter here to see its work in fewer events."""


class StageFailed(Exception):
    """What an AgentError is to the agent."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


class Side:
    """One side of the attempt: persisted state and the process that works on it."""

    def __init__(self, state: SideState, node: Node) -> None:
        self._state, self.node = state, node
        order = state.order
        self.folder = layout.side_dir(order.migration, order.attempt, order.role.value)
        self.work: Proc | None = None

    @property
    def state(self) -> SideState:
        """As it is on the disk."""
        return self._state

    def save(self, state: SideState) -> None:
        """Make it durable."""
        self._state = state
        self.node.disk[f"{self.folder}/order"] = state

    @property
    def order(self) -> Order:
        """The last accepted order."""
        return self._state.order

    @property
    def params(self) -> dict[str, Any]:
        """Params of the order."""
        return self._state.order.params

    @property
    def facts(self) -> dict[str, Any]:
        """Facts as persisted."""
        return self._state.observed.facts

    @property
    def lazy(self) -> bool:
        """Whether the memory follows after the resume."""
        return self.params.get("copy") == "PostCopy"

    def note(self, **facts: Any) -> None:
        """Persist facts in the middle of a stage."""
        observed = replace(self._state.observed, facts={**self.facts, **facts})
        self.save(replace(self._state, observed=observed))

    def has(self, *entries: str) -> bool:
        """Whether one of these files exists."""
        return any(f"{self.folder}/{entry}" in self.node.disk for entry in entries)

    def read(self, entry: str) -> Any:
        """A file of the side's folder."""
        return self.node.disk.get(f"{self.folder}/{entry}")

    def write(self, entry: str, value: Any) -> None:
        """Write one."""
        self.node.disk[f"{self.folder}/{entry}"] = value

    def remove(self, *entries: str) -> None:
        """Remove some."""
        for entry in entries:
            self.node.disk.pop(f"{self.folder}/{entry}", None)


class Handler:
    """The work of one role; see `source` and `target`."""

    def reach(self, side: Side, stage: str, previous: Proc | None) -> Work:
        """Bring the side to a stage. Raises StageFailed."""
        raise NotImplementedError

    def live_facts(self, side: Side) -> dict[str, Any]:
        """Facts that are read anew for each answer."""
        raise NotImplementedError

    def lost(self, side: Side) -> bool:
        """Whether the rest of the memory cannot come any more; targets only."""
        return False

    def tend(self, side: Side) -> None:
        """Look after it, four times a second."""


class Agent:
    """One process of the agent. A restart makes a new one that reads the disk."""

    def __init__(
        self, node: Node, handlers: dict[Role, Handler], note: Callable[..., None]
    ) -> None:
        self.node, self.handlers, self.note = node, handlers, note
        self.sides: dict[Role, Side] = {}
        for role in Role:
            for name, state in list(node.disk.items()):
                if name.endswith(f"/{role.value}/order"):
                    self._load(role, state)

    @property
    def sim(self) -> Sim:
        """The clock."""
        return self.node.sim

    def run(self) -> Work:
        """Tend and sweep for ever; the sides' works run beside."""
        swept = self.sim.now - SWEEP_SECONDS * self.sim.rng.random()
        while True:
            for role, side in self.sides.items():
                self.handlers[role].tend(side)
            if self.sim.now - swept > SWEEP_SECONDS:
                swept = self.sim.now
                self._sweep()
            yield TEND_SECONDS

    def submit(self, order: Order) -> Side:
        """Accept an order. Raises Refused."""
        side = self.sides.get(order.role)
        before = side.state if side else None
        resuming = side is not None and side.has("RESUMING", "RESUMED")
        if side is not None and self.handlers[order.role].lost(side):
            resuming = False  # it is frozen, and a person may take the move back
        ruling, state = machine.rule(before, order, highest=1, resuming=resuming)
        if side is None:
            side = self.sides[order.role] = Side(state, self.node)
        side.save(state)
        if ruling is Ruling.WORK:
            self.note(self.node.name, order.role.value, order.stage)
            working = before is not None and before.observed.progress is Progress.WORKING
            previous = side.work if working else None
            self._start(side, order.stage, previous)
        return side

    def settled(self, side: Side, stage: str) -> bool:
        """Whether waiting for that stage makes sense no more."""
        observed = side.state.observed
        return observed.wanted != stage or observed.progress is not Progress.WORKING

    def observe(self, side: Side) -> Observed:
        """The answer, with facts read now."""
        observed = side.state.observed
        live = self.handlers[side.order.role].live_facts(side)
        return replace(observed, facts={**observed.facts, **live})

    def _load(self, role: Role, state: SideState) -> None:
        side = self.sides[role] = Side(state, self.node)
        if state.observed.progress is Progress.WORKING:
            self._start(side, state.order.stage, None)

    def _start(self, side: Side, stage: str, previous: Proc | None) -> None:
        name = f"work/{side.order.role.value}/{stage}"
        side.work = self.node.start(name, self._work(side, stage, previous))

    def _work(self, side: Side, stage: str, previous: Proc | None) -> Work:
        error = None
        try:
            yield 0.001
            yield from self.handlers[side.order.role].reach(side, stage, previous)
        except StageFailed as failure:
            error = {"reason": failure.reason, "message": failure.message}
        observed = side.state.observed
        if observed.wanted != stage:
            return
        if error:
            self.node.log(f"{self.node.name} {side.order.role} {stage}: {error}")
            observed = replace(observed, progress=Progress.FAILED, error=error)
        else:
            observed = replace(observed, stage=stage, progress=Progress.REACHED, error=None)
        side.save(replace(side.state, observed=observed))

    def _sweep(self) -> None:
        """The janitor: a pod whose folder is gone is never started again."""
        pods = {item.pod for item in self.node.containers.values() if item.alive}
        for name in [name for name in self.node.disk if "/blocked/" in name]:
            uid = name.rpartition("/")[2]
            if uid not in pods and not self.node.run.get(f"known/{uid}"):
                del self.node.disk[name]


def start_agent(node: Node, handlers: dict[Role, Handler], note: Callable[..., None]) -> None:
    """Run an agent on a node, again after each kill and boot."""

    def make() -> Work:
        agent = Agent(node, handlers, note)
        node.run["agent"] = agent
        return agent.run()

    node.service("agent", make)


def kill_agent(node: Node, seconds: float) -> bool:
    """SIGKILL: its works end where they stand; what it started detached lives on."""
    for name in [name for name in node.procs if name.startswith("work/")]:
        node.kill(name)
    return node.restart("agent", seconds)


__all__ = ["Agent", "Handler", "Refused", "Side", "StageFailed", "kill_agent", "start_agent"]
