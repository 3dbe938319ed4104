"""What the model of a cluster keeps of a finished move, and how it is written down.

Owns which Migrations say something of the next ones. A record names neither workload nor node, and
outlives its Migration. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from podferry.api.migration import CopyMode, Migration, keeps_name
from podferry.api.reasons import Condition, Phase

MOST_RECORDS = 200
"""Newest moves that are kept, of all classes together; the fit takes the newest 50 of one."""
MOST_SECONDS = 86_400.0
LEAST_FREEZE_SECONDS = 0.001
MOST_BYTES = 1 << 50


@dataclass(frozen=True, slots=True)
class MoveRecord:
    """One move that succeeded."""

    uid: str
    """Of its Migration."""
    copy: str
    same_name: bool
    """The pod kept its name."""
    bytes: int
    """What was known beforehand to travel: the next prediction is made from the same."""
    freeze: float
    """Without its preparation, also of a move that froze first [s]."""
    total: float
    """From the acceptance until the source's memory was free [s]."""
    prepare: float
    """Of that, until the target was ready [s]."""
    completed_at: datetime

    def to_dict(self) -> dict[str, Any]:
        """JSON object as it is kept."""
        return {
            "uid": self.uid,
            "copy": self.copy,
            "sameName": self.same_name,
            "bytes": self.bytes,
            "freeze": self.freeze,
            "total": self.total,
            "prepare": self.prepare,
            "at": self.completed_at.isoformat(),
        }

    @staticmethod
    def from_dict(raw: Any) -> MoveRecord:
        """Parse what was kept. Raises ValueError naming the field."""
        if not isinstance(raw, dict):
            raise ValueError(f"a move is an object, this is {type(raw).__name__}")
        copy, uid, at = raw.get("copy"), raw.get("uid"), _moment(raw.get("at"))
        if copy not in {mode.value for mode in CopyMode}:
            raise ValueError(f"copy is {str(copy)[:50]!r}")
        if not isinstance(uid, str) or not uid or at is None:
            raise ValueError(f"uid is {str(uid)[:50]!r}, at is {str(raw.get('at'))[:50]!r}")
        return MoveRecord(
            uid=uid,
            copy=str(copy),
            same_name=raw.get("sameName") is True,
            bytes=int(_number(raw, "bytes", 0, MOST_BYTES)),
            freeze=_number(raw, "freeze", 1e-9, MOST_SECONDS),
            total=_number(raw, "total", 0, MOST_SECONDS),
            prepare=_number(raw, "prepare", 0, MOST_SECONDS),
            completed_at=at,
        )


def record(migration: Migration) -> MoveRecord | None:
    """Return what a Migration says of the next ones; None: nothing (not over, not measured)."""
    status = migration.status
    measured, completed = status.measured, _moment(status.completed_at)
    if measured is None or completed is None or measured.freeze_seconds <= 0:
        return None
    if status.phase != Phase.SUCCEEDED.value:
        return None
    prepared = _prepared_frozen(migration)
    return MoveRecord(
        uid=migration.uid,
        copy=status.copy,
        same_name=keeps_name(status.owner),
        bytes=status.prediction.bytes if status.prediction else measured.bytes,
        freeze=max(LEAST_FREEZE_SECONDS, measured.freeze_seconds - prepared),
        total=measured.total_seconds,
        prepare=round(measured.prepare_seconds + prepared, 3),
        completed_at=completed,
    )


def records(migrations: Iterable[Migration]) -> tuple[MoveRecord, ...]:
    """Return the records of those Migrations that say something, the newest first."""
    return merged(found for one in migrations if (found := record(one)) is not None)


def merged(*several: Iterable[MoveRecord]) -> tuple[MoveRecord, ...]:
    """Return each move once, the newest first, no more than MOST_RECORDS."""
    by_uid = {one.uid: one for some in several for one in some}
    # A stable order for moves of one second, so that the same moves are always the same text.
    ordered = sorted(by_uid.values(), key=lambda one: one.uid)
    ordered.sort(key=lambda one: one.completed_at, reverse=True)
    return tuple(ordered[:MOST_RECORDS])


def _prepared_frozen(migration: Migration) -> float:
    """How much of a freeze was preparation [s]; 0 unless it froze first."""
    status = migration.status
    ready = Condition.TARGET_READY.value
    at = (one.last_transition_time for one in status.conditions if one.type == ready)
    begin, end = _moment(status.frozen_at), _moment(next(at, ""))
    if not migration.spec.freeze_first or begin is None or end is None:
        return 0.0
    return max(0.0, (end - begin).total_seconds())


def _moment(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _number(raw: dict[str, Any], name: str, least: float, most: float) -> float:
    value: Any = raw.get(name)
    known = isinstance(value, int | float) and not isinstance(value, bool)
    if not known or not math.isfinite(value) or not least <= value <= most:
        raise ValueError(f"{name} is {str(value)[:50]!r}, not a number from {least:g} to {most:g}")
    return float(value)
