"""Freeze first: the source is paused before the target is prepared. Pure.

Owns the pause that comes before the preparation, what it waits for, and how long a target may take
while the workload stands still. The freeze epoch is raised in the write before the order goes out,
so that every reader knows that something may be frozen. What follows is the way of any other move.
"""

from __future__ import annotations

from podferry.api.reasons import Condition, Phase, Reason
from podferry.controller.core import orders, rollback, upgrades
from podferry.controller.core.status import Draft, is_true, seconds_since, stamp
from podferry.controller.core.view import Need, Step, View
from podferry.wire.stages import SourceStage

PATIENCE_SECONDS = 30.0
"""A target that is not held by then wakes the source up; its preparation takes a second or two."""
SHARE = 0.5
"""Of the longest freeze, for the preparation; the rest is for dump and restore."""
POLL_SECONDS = 0.1


def advance(view: View) -> Step | None:
    """Pause the source, or say why it waits. None: that is done, or was not asked for."""
    migration, status = view.migration, view.migration.status
    if not migration.spec.freeze_first:
        return None
    if view.source is not None and view.source.reached(SourceStage.PREPARED.value):
        return None
    if is_frozen(view):  # also after a leader that died between its write and its order
        return Step(status, (orders.source(view, status, SourceStage.PREPARED),), POLL_SECONDS)
    waits = hold(view)
    if waits is not None:
        return upgrades.wait(view, waits, Phase.PREPARING)
    if view.need is not None and not view.need.needed:
        return without_need(view, view.need)
    draft = Draft(migration, view.now)
    draft.put(freeze_epoch=status.freeze_epoch + 1, frozen_at=stamp(view.now))
    draft.progress(Phase.FREEZING, Reason.FREEZING, "frozen first; preparing both nodes")
    return Step(draft.value, (orders.source(view, draft.value, SourceStage.PREPARED),), 0.0)


def hold(view: View) -> upgrades.Hold | None:
    """Why a freeze that is due must wait; None: now is the moment."""
    if view.migration.spec.freeze_first:
        return upgrades.before_first_freeze(view)
    return upgrades.before_freeze(view)


def is_frozen(view: View) -> bool:
    """Whether the source was ordered to pause before its target is ready."""
    status = view.migration.status
    ready = is_true(status, Condition.TARGET_READY)
    return view.migration.spec.freeze_first and status.freeze_epoch > 0 and not ready


def waited(view: View) -> str | None:
    """That the workload stood still too long for a target that is not ready; None: not yet."""
    if not is_frozen(view):
        return None
    frozen, limit = seconds_since(view.migration.status.frozen_at, view.now), patience(view)
    if frozen <= limit:
        return None
    return f"frozen first for {frozen:.0f} s, {limit:.0f} s at most, and the target is not ready"


def patience(view: View) -> float:
    """How long a target may be prepared while the source is frozen [s]."""
    end, budget = view.migration.status.source, view.migration.spec.max_freeze_seconds
    assert end is not None
    longest = orders.dead_man_seconds(view, end.pod)
    if budget is not None:
        longest = min(longest, budget)
    return min(PATIENCE_SECONDS, SHARE * longest)


def without_need(view: View, need: Need) -> Step:
    """A rescue right before its freeze: the last moment at which it costs nobody anything."""
    if need.needed is False:
        return rollback.decide(view, Reason.PRESSURE_GONE, need.why)
    draft = Draft(view.migration, view.now)
    draft.progress(
        Phase.PREPARING, Reason.NODE_UNKNOWN, f"{need.why}; nothing is frozen until it is known"
    )
    return Step(draft.value, (), POLL_SECONDS)
