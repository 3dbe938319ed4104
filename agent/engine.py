"""Runs the work that accepted orders ask for, one task a side, and lets callers wait for it.

Owns: serialising orders of a side, persisting before working and after each stage, picking up
after a restart. Never does: the work itself (handlers) or ruling on orders (`machine`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import structlog

from podferry.agent import breakpoints, machine, metrics
from podferry.agent.errors import AgentError, Refused
from podferry.agent.machine import Ruling, SideState
from podferry.agent.store import Store, check_key
from podferry.wire import layout
from podferry.wire.stages import Observed, Order, Progress, Role

log = structlog.get_logger("podferry.agent.engine")
Key = tuple[str, int, Role]


@dataclass(slots=True, eq=False)
class Side:
    """One side of an attempt as handlers see it: the order, its folder, facts, and its turn."""

    state: SideState
    folder: str
    store: Store
    task: asyncio.Task[None] | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def order(self) -> Order:
        """The last accepted order, params merged over all orders of the attempt."""
        return self.state.order

    @property
    def ram(self) -> str:
        """Where this side's images, staged files and criu's logs lie: never on a disk."""
        return f"{self.folder}/{layout.RAM}"

    @property
    def params(self) -> dict[str, Any]:
        """Params of the order."""
        return self.state.order.params

    @property
    def facts(self) -> dict[str, Any]:
        """Facts as persisted."""
        return self.state.observed.facts

    def note(self, **facts: Any) -> None:
        """Persist facts in the middle of a stage (what a restart must know)."""
        observed = replace(self.state.observed, facts={**self.facts, **facts})
        self.state = replace(self.state, observed=observed)
        self.store.save_observed(observed)

    def has(self, *entries: str) -> bool:
        """Whether any of these files is in the side's folder."""
        return any(os.path.exists(f"{self.folder}/{name}") for name in entries)


class Handler(Protocol):
    """The work of one role."""

    async def reach(self, side: Side, stage: str, previous: asyncio.Task[None] | None) -> None:
        """Bring the side to `stage`; raise AgentError with the reason when that failed.

        `previous` is a stage still being worked on when the way back was ordered; the handler
        makes it end.
        """
        ...

    async def live_facts(self, side: Side) -> dict[str, Any]:
        """Facts that are read anew for each answer."""
        ...


class Engine:
    """All sides of this node."""

    def __init__(
        self,
        store: Store,
        handlers: Mapping[Role, Handler],
        before: breakpoints.Before = breakpoints.none,
    ) -> None:
        self._store = store
        self._handlers = handlers
        self.before = before
        """Waits where a test wants a moment to last."""
        self._sides: dict[Key, Side] = {}

    def start(self) -> None:
        """Load every side from disk and continue what was being worked on."""
        for state in self._store.load():
            side = self._add(state)
            if state.observed.progress is Progress.WORKING:
                log.info("continue after restart", **_words(state.order))
                side.task = asyncio.create_task(self._work(side, state.order.stage, None))

    async def stop(self, seconds: float = 10.0) -> None:
        """Let running stages finish for a while; what is cut off continues after a restart."""
        tasks = [side.task for side in self._sides.values() if side.task]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()

    def sides(self) -> list[Side]:
        """Every side that is loaded."""
        return list(self._sides.values())

    def get(self, migration: str, attempt: int, role: Role) -> Side:
        """One side. Raises Refused 404."""
        check_key(migration, attempt)
        side = self._sides.get((migration, attempt, role))
        if side is None:
            raise Refused(
                "UnknownAttempt",
                f"this node never took part as {role.value} in attempt {attempt} of {migration}",
                status=404,
            )
        return side

    def highest(self, migration: str) -> int:
        """Highest attempt of a migration that this node has seen."""
        return self._store.highest(migration)

    def forget(self) -> None:
        """Drop sides whose folder the janitor removed."""
        for key, side in list(self._sides.items()):
            if side.state.ended and not os.path.exists(f"{side.folder}/observed.json"):
                del self._sides[key]

    async def submit(self, order: Order) -> Side:
        """Accept an order: persist it, then start its work. Raises Refused."""
        check_key(order.migration, order.attempt)
        key = (order.migration, order.attempt, order.role)
        side = self._sides.get(key)
        highest = self._store.highest(order.migration)
        resuming = side is not None and side.has("RESUMING", "RESUMED")
        if side is not None and side.facts.get("frozenForPages"):
            resuming = False  # it ran, is frozen for good, and may be given up by a person's word
        before = side.state if side else None
        ruling, state = machine.rule(before, order, highest=highest, resuming=resuming)
        if state is not before:
            self._store.save(state)  # first: an order that is not durable was not accepted
        if side is None:
            side = self._add(state)
        side.state = state
        if ruling is Ruling.WORK:
            log.info("order accepted", **_words(order))
            working = before is not None and before.observed.progress is Progress.WORKING
            previous = side.task if working else None
            side.task = asyncio.create_task(self._work(side, order.stage, previous))
            async with side.changed:
                side.changed.notify_all()  # whoever waits for an earlier stage waits in vain
        return side

    async def wait(self, side: Side, stage: str, seconds: float) -> None:
        """Return when `stage` is reached or failed, or after `seconds` [s]."""

        def settled() -> bool:
            observed = side.state.observed
            return observed.wanted != stage or observed.progress is not Progress.WORKING

        async with side.changed:
            try:
                await asyncio.wait_for(side.changed.wait_for(settled), timeout=seconds)
            except TimeoutError:
                return

    async def observe(self, side: Side) -> Observed:
        """The answer for one side, with facts read now."""
        live = await self._handlers[side.order.role].live_facts(side)
        observed = side.state.observed
        return replace(observed, facts={**observed.facts, **live})

    def _add(self, state: SideState) -> Side:
        order = state.order
        folder = self._store.folder(order.migration, order.attempt, order.role)
        side = Side(state, folder, self._store)
        self._sides[(order.migration, order.attempt, order.role)] = side
        return side

    async def _work(self, side: Side, stage: str, previous: asyncio.Task[None] | None) -> None:
        """Work on one stage and persist how it ended."""
        role = side.order.role
        with metrics.stage_seconds.labels(role.value, stage).time():
            try:
                await self.before(role, stage)
                await self._handlers[role].reach(side, stage, previous)
                error = None
            except AgentError as problem:
                error = problem.to_dict()
            except asyncio.CancelledError:
                raise
            except Exception as problem:
                log.exception("stage broke", **_words(side.order))
                error = {
                    "reason": "Internal",
                    "message": f"{type(problem).__name__}: {problem}; see the agent's log",
                }
        await self._finish(side, stage, error)

    async def _finish(self, side: Side, stage: str, error: dict[str, str] | None) -> None:
        observed = side.state.observed
        if observed.wanted != stage:  # the way back was ordered meanwhile and speaks for itself
            log.info("stage superseded", stage=stage, wanted=observed.wanted)
            return
        outcome = "failed" if error else "reached"
        metrics.stages.labels(side.order.role.value, stage, outcome).inc()
        if error:
            log.warning("stage failed", **_words(side.order), **error)
            observed = replace(observed, progress=Progress.FAILED, error=error)
        else:
            log.info("stage reached", **_words(side.order))
            observed = replace(observed, stage=stage, progress=Progress.REACHED, error=None)
        try:
            self._store.save_observed(observed)
        except OSError as problem:
            log.error("stage not durable", **_words(side.order), error=str(problem))
            words = (
                f"the end of stage {stage} could not be written to {side.folder}: {problem};"
                " free space on that file system"
            )
            observed = replace(
                side.state.observed,
                progress=Progress.FAILED,
                error=error or {"reason": "NotDurable", "message": words},
            )
        side.state = replace(side.state, observed=observed)
        async with side.changed:
            side.changed.notify_all()


def _words(order: Order) -> dict[str, Any]:
    return {
        "migration": order.migration,
        "attempt": order.attempt,
        "role": order.role.value,
        "stage": order.stage,
        "verdict": order.verdict.value,
    }
