"""The orderly end of an agent: first the freezes that are under way here, then the process.

Owns: what an agent still has to stay for, and the wait for it, bounded in time. Never does: cut a
stage off, or refuse an order of a workload that is frozen already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog

from podferry.agent import first_pause
from podferry.agent.engine import Side
from podferry.agent.errors import Refused
from podferry.wire.stages import Order, Progress, Role, SourceStage, TargetStage

log = structlog.get_logger("podferry.agent.draining")
LIMIT_SECONDS = 100.0
"""A freeze that nobody sealed ends after 90 s by its dead-man; what lasts longer waits for a person
and goes on from the disk [s]."""
_POLL_SECONDS = 0.1
_FROZEN = {
    Role.SOURCE: (SourceStage.FROZEN.value, SourceStage.SEALED.value),
    Role.TARGET: (TargetStage.REHEARSED.value,),
}
"""Stages after which a workload stays frozen until the next order, reached or failed."""
ANNOUNCED = "announced"
"""Fact of a target: the source freezes next, and its streams come through this process."""


def keeps(side: Side) -> bool:
    """Whether the end of this process now would lengthen or spoil a freeze of this side."""
    if side.state.ended:
        return False
    observed = side.state.observed
    if observed.progress is Progress.WORKING or observed.wanted in _FROZEN[side.order.role]:
        return True
    if side.order.role is Role.SOURCE and observed.wanted == SourceStage.PREPARED.value:
        return first_pause.begun(side)
    prepared = observed.wanted == TargetStage.PREPARED.value
    return side.order.role is Role.TARGET and prepared and bool(side.facts.get(ANNOUNCED))


def check_begin(order: Order, sides: Iterable[Side]) -> None:
    """Refuse to freeze what runs, because this process ends. Raises Refused 503: ask again.

    A controller that heard of the drain does not ask; one that did not yet asks the next agent.
    """
    first = order.stage == SourceStage.PREPARED.value and bool(order.params.get("pauseFirst"))
    if order.role is not Role.SOURCE or not (first or order.stage == SourceStage.FROZEN.value):
        return
    key = (order.migration, order.attempt, order.role)
    begun = any(
        (side.order.migration, side.order.attempt, side.order.role) == key
        and (side.state.observed.wanted == order.stage or first_pause.begun(side))
        for side in sides
    )
    if not begun:
        raise Refused(
            "Draining",
            "this agent is being replaced and freezes nothing any more; its successor will",
            status=503,
        )


async def finished(sides: Callable[[], Iterable[Side]], seconds: float = LIMIT_SECONDS) -> bool:
    """Return True once nothing keeps this agent, False after `seconds` [s]."""
    loop = asyncio.get_running_loop()
    began, told = loop.time(), 0
    while kept := [side for side in sides() if keeps(side)]:
        if loop.time() - began > seconds:
            log.warning("ending in the middle of a freeze", waited_seconds=seconds, **_first(kept))
            return False
        if len(kept) != told:
            told = len(kept)
            log.info("draining", moves=told, limit_seconds=seconds, **_first(kept))
        await asyncio.sleep(_POLL_SECONDS)
    log.info("drained", seconds=round(loop.time() - began, 1))
    return True


def _first(kept: list[Side]) -> dict[str, str]:
    order, observed = kept[0].order, kept[0].state.observed
    return {"migration": order.migration, "role": order.role.value, "wanted": observed.wanted}
