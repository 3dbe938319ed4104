"""Which orders one side of an attempt accepts. Pure: persisted state and order in, ruling out.

Owns: "stages only move forward, a repeat gives the same answer, an older attempt or a backward
stage is 409". Never does: I/O, or any work of a stage.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from podferry.agent.errors import Refused
from podferry.wire.stages import (
    SOURCE_ORDER,
    TARGET_ORDER,
    Observed,
    Order,
    Progress,
    Role,
    SourceStage,
    TargetStage,
    Verdict,
)

ENDS: dict[Role, frozenset[str]] = {
    Role.SOURCE: frozenset({SourceStage.RELEASED.value, SourceStage.THAWED.value}),
    Role.TARGET: frozenset({TargetStage.FORGOTTEN.value, TargetStage.ABORTED.value}),
}
WAY_BACK: dict[Role, tuple[str, ...]] = {
    Role.SOURCE: (SourceStage.THAWED.value,),
    Role.TARGET: (TargetStage.DISARMED.value, TargetStage.ABORTED.value),
}
"""Stages by which a side gives an attempt up."""
_RETRIED = (
    ENDS[Role.SOURCE]
    | ENDS[Role.TARGET]
    | {SourceStage.REDIRECTED.value, TargetStage.RESUMED.value, TargetStage.DISARMED.value}
)
"""A failure on the way to one of these is tried again when the order is repeated: giving up
would leave a frozen or half removed container behind."""


class Ruling(StrEnum):
    """What to do with an order."""

    SAME = "same"
    WORK = "work"


@dataclass(frozen=True, slots=True)
class SideState:
    """Persisted state of one side: the last accepted order and what was observed."""

    order: Order
    observed: Observed

    @property
    def ended(self) -> bool:
        """Whether nothing more can happen to this side."""
        done = self.observed.progress is Progress.REACHED
        return done and self.observed.stage in ENDS[self.order.role]


def rule(
    state: SideState | None, order: Order, *, highest: int, resuming: bool = False
) -> tuple[Ruling, SideState]:
    """Accept or refuse an order.

    Args:
        state: persisted state of this side, None if this attempt was never seen.
        order: the new order.
        highest: highest attempt of this migration that this node has seen.
        resuming: target only: RESUMING or RESUMED is on disk.

    Returns:
        SAME with the unchanged state, or WORK with the state to persist before working.

    Raises:
        Refused: status 409 with the reason.
    """
    if order.attempt < highest:
        raise Refused(
            "OlderAttempt",
            f"attempt {order.attempt} of migration {order.migration} is over: this node has seen"
            f" attempt {highest}; read the Migration again",
        )
    if state is None:
        state = _fresh(order)
    elif _is_repeat(state, order):
        return _repeat(state, order)
    _check_epoch(state, order)
    _check_stage(state, order)
    _check_verdict(state, order, resuming=resuming)
    verdict = order.verdict if order.verdict is not Verdict.UNDECIDED else state.order.verdict
    merged = replace(order, verdict=verdict, params={**state.order.params, **order.params})
    observed = replace(state.observed, wanted=order.stage, progress=Progress.WORKING, error=None)
    return Ruling.WORK, SideState(merged, observed)


def _fresh(order: Order) -> SideState:
    observed = Observed(order.migration, order.attempt, order.role, "", "", Progress.WORKING)
    blank = replace(order, params={}, verdict=Verdict.UNDECIDED, freeze_epoch=0)
    return SideState(blank, observed)


def _is_repeat(state: SideState, order: Order) -> bool:
    return order.stage == state.observed.wanted


def _repeat(state: SideState, order: Order) -> tuple[Ruling, SideState]:
    failed = state.observed.progress is Progress.FAILED
    working = state.observed.progress is Progress.WORKING
    news = any(state.order.params.get(key) != value for key, value in order.params.items())
    if failed and order.stage in _RETRIED:
        observed = replace(state.observed, progress=Progress.WORKING, error=None)
        merged = replace(state.order, params={**state.order.params, **order.params})
        return Ruling.WORK, SideState(merged, observed)
    if working and news:
        # The final pod's uid is learnt while the resume already works on it.
        merged = replace(state.order, params={**state.order.params, **order.params})
        return Ruling.SAME, SideState(merged, state.observed)
    return Ruling.SAME, state


def _check_epoch(state: SideState, order: Order) -> None:
    if order.freeze_epoch < state.order.freeze_epoch:
        raise Refused(
            "OlderFreezeEpoch",
            f"freeze epoch {order.freeze_epoch} is older than {state.order.freeze_epoch}, which"
            " this node has seen; read the Migration again",
        )


def _check_stage(state: SideState, order: Order) -> None:
    forward: tuple[str, ...] = tuple(
        stage.value for stage in (SOURCE_ORDER if order.role is Role.SOURCE else TARGET_ORDER)
    )
    here = state.observed.stage
    if here in ENDS[order.role] or state.observed.wanted in ENDS[order.role]:
        raise Refused(
            "AttemptEnded",
            f"the {order.role.value} of attempt {order.attempt} ended or ends as"
            f" {state.observed.wanted or here}; stage {order.stage} is not possible any more",
        )
    back = WAY_BACK[order.role]
    if order.stage in back:
        return
    if here in back or state.observed.wanted in back:
        raise Refused(
            "AttemptEnded",
            f"the {order.role.value} of attempt {order.attempt} is on its way back"
            f" ({state.observed.wanted}); stage {order.stage} is not possible any more",
        )
    if _is_handed_over_unsealed(state, order):
        return
    wanted = forward.index(order.stage)
    reached = forward.index(here) if here in forward else -1
    asked = forward.index(state.observed.wanted) if state.observed.wanted in forward else -1
    if wanted < max(reached, asked):
        raise Refused(
            "BackwardStage",
            f"stage {order.stage} lies before {state.observed.wanted or here}, which this side"
            " was already ordered to; stages only move forward",
        )
    if wanted > reached + 1 or state.observed.progress is Progress.FAILED:
        raise Refused(
            "StageNotReached",
            f"stage {order.stage} needs {forward[wanted - 1]}, this side is at"
            f" {here or 'the beginning'} ({state.observed.progress.value}); order that first",
        )


def _is_handed_over_unsealed(state: SideState, order: Order) -> bool:
    """A source that died frozen cannot be sealed; the commit then rests on its rehearsal alone."""
    asked = (SourceStage.FROZEN.value, SourceStage.SEALED.value)
    return (
        order.stage == SourceStage.REDIRECTED.value
        and order.verdict is Verdict.COMMITTED
        and state.observed.stage == SourceStage.FROZEN.value
        and state.observed.wanted in asked
    )


def _check_verdict(state: SideState, order: Order, *, resuming: bool) -> None:
    checks = {
        SourceStage.REDIRECTED.value: _may_release,
        SourceStage.RELEASED.value: _may_release,
        SourceStage.THAWED.value: _may_thaw,
        TargetStage.RESUMED.value: _may_resume,
        TargetStage.DISARMED.value: _may_disarm,
        TargetStage.ABORTED.value: _may_abort,
        TargetStage.FORGOTTEN.value: _may_resume,
    }
    check = checks.get(order.stage)
    complaint = check(state, order, resuming) if check else ""
    if complaint:
        raise Refused("VerdictMissing", f"stage {order.stage} refused: {complaint}")


def _may_release(_state: SideState, order: Order, _resuming: bool) -> str:
    if order.verdict is Verdict.COMMITTED:
        return ""
    return f"it needs verdict Committed, the order says {order.verdict.value}"


def _may_thaw(state: SideState, order: Order, _resuming: bool) -> str:
    # A PostCopy that lost its pages after its resume may be taken back by a person's word.
    lazy = state.order.params.get("copy") == "PostCopy"
    reverted = lazy and order.verdict is Verdict.ROLLED_BACK
    committed = Verdict.COMMITTED in (order.verdict, state.order.verdict)
    if committed and not reverted:
        return "the migration is committed; the source may only be released"
    sealed = SourceStage.SEALED.value
    is_sealed = sealed in (state.observed.stage, state.observed.wanted)
    if is_sealed and order.verdict is not Verdict.ROLLED_BACK:
        return "a sealed source thaws only on verdict RolledBack"
    return ""


def _may_resume(state: SideState, order: Order, _resuming: bool) -> str:
    committed = Verdict.COMMITTED in (order.verdict, state.order.verdict)
    if committed and order.verdict is not Verdict.ROLLED_BACK:
        return ""
    return f"it needs verdict Committed, the order says {order.verdict.value}"


def _may_disarm(_state: SideState, order: Order, resuming: bool) -> str:
    if resuming:
        return "the target was resumed or was being resumed; it may run"
    if order.verdict is Verdict.UNDECIDED:
        return "nothing is decided yet"
    return ""


def _may_abort(state: SideState, order: Order, resuming: bool) -> str:
    if resuming:
        return "the target was resumed or was being resumed; it may run and must not be destroyed"
    if order.verdict is Verdict.COMMITTED:
        return "the migration is committed"
    if state.order.verdict is Verdict.COMMITTED and order.verdict is not Verdict.ROLLED_BACK:
        return "the migration was committed; only an explicit RolledBack (reverted) aborts it"
    return ""
