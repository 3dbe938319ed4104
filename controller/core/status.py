"""Building statuses: conditions, the derived phase, times, ends. Pure; decides nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime

from podferry.api.migration import (
    AttemptRecord,
    ConditionStatus,
    Decision,
    Migration,
    MigrationStatus,
)
from podferry.api.reasons import TERMINAL, Condition, Phase, Reason

TERMINAL_VALUES = frozenset(phase.value for phase in TERMINAL)
_MESSAGE_LIMIT = 1024


def stamp(now: datetime) -> str:
    """RFC 3339 with microseconds, UTC."""
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(text: str) -> datetime:
    """The inverse of `stamp`; also takes whole seconds."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


CLOCK_SKEW_SECONDS = 5.0
"""So far the clocks of two replicas may be apart; a stamp further ahead is of a clock that was
wrong, and what it began counts as long ago: a wait must never last until the clock is there."""


def seconds_since(text: str, now: datetime) -> float:
    """Seconds from a stamp to now; 0 for an empty stamp, infinite for one of a wrong clock."""
    seconds = (now - parse(text)).total_seconds() if text else 0.0
    return seconds if seconds >= -CLOCK_SKEW_SECONDS else math.inf


def condition(status: MigrationStatus, kind: Condition) -> ConditionStatus | None:
    """The condition of that type, None if it was never set."""
    return next((item for item in status.conditions if item.type == kind.value), None)


def is_true(status: MigrationStatus, kind: Condition) -> bool:
    """Whether that condition is True."""
    found = condition(status, kind)
    return found is not None and found.status == "True"


def with_condition(
    status: MigrationStatus,
    kind: Condition,
    value: bool | None,
    reason: Reason | str,
    message: str,
    now: datetime,
    generation: int,
) -> MigrationStatus:
    """Set one condition; the transition time changes only when its status flips."""
    text = "Unknown" if value is None else str(value)
    old = condition(status, kind)
    when = old.last_transition_time if old and old.status == text else stamp(now)
    new = ConditionStatus(
        type=kind.value,
        status=text,
        reason=reason.value if isinstance(reason, Reason) else reason,
        message=message[:_MESSAGE_LIMIT],
        last_transition_time=when,
        observed_generation=generation,
    )
    if old is None:
        conditions = (*status.conditions, new)
    else:
        conditions = tuple(new if item is old else item for item in status.conditions)
    return replace(status, conditions=conditions)


class Draft:
    """A status in the making, for one reconcile of one Migration."""

    def __init__(self, migration: Migration, now: datetime) -> None:
        self.value = replace(migration.status, observed_generation=migration.generation)
        self._generation, self._now = migration.generation, now

    def set(self, kind: Condition, value: bool | None, reason: Reason | str, message: str) -> Draft:
        """Set a condition."""
        self.value = with_condition(
            self.value, kind, value, reason, message, self._now, self._generation
        )
        return self

    def put(self, **fields: object) -> Draft:
        """Set plain fields."""
        self.value = replace(self.value, **fields)  # type: ignore[arg-type]
        return self

    def progress(self, phase: Phase, reason: Reason, message: str) -> Draft:
        """Say where it is; `phase` is what that reason prints as."""
        self.set(Condition.PROGRESSING, True, reason, message)
        return self.put(phase=phase.value)

    def end(self, phase: Phase, reason: Reason | str, message: str) -> Draft:
        """Reach a terminal phase."""
        succeeded = phase is Phase.SUCCEEDED
        self.set(Condition.SUCCEEDED, succeeded, reason, message)
        self.set(Condition.PROGRESSING, False, reason, message)
        status = self.value
        record = AttemptRecord(
            number=status.attempt,
            result=phase.value,
            reason=reason.value if isinstance(reason, Reason) else reason,
            message=message,
        )
        attempts = status.attempts if status.attempt == 0 else (*status.attempts, record)
        return self.put(phase=phase.value, completed_at=stamp(self._now), attempts=attempts)

    def decide(self, decision: Decision, reason: Reason | str, message: str) -> Draft:
        """Write the one decision."""
        text = reason.value if isinstance(reason, Reason) else reason
        return self.put(
            decision=decision,
            decision_reason=text,
            decision_message=message,
            decided_at=stamp(self._now),
        )
