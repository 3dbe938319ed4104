"""Which finished Migrations have had their time. Pure.

Owns the meaning of `ttlSecondsAfterFinished` and of the limit of finished ones in a namespace.
Never names one that has not ended, or that still carries a finalizer (ours or another's: somebody
is not done with it).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from podferry.api.migration import Migration
from podferry.controller.core import status


def due(migrations: Iterable[Migration], now: datetime, *, keep: int) -> tuple[Migration, ...]:
    """Those to delete at `now` (aware, UTC), the longest ended first.

    Args:
        migrations: of all namespaces.
        now: the time.
        keep: so many finished ones stay in each namespace, the latest ended; 0: any number.
    """
    ages = [(age, found) for found in migrations if (age := _age(found, now)) is not None]
    ages.sort(key=lambda pair: (pair[0], pair[1].uid))
    seen: dict[str, int] = defaultdict(int)
    over = []
    for age, migration in ages:
        ttl = migration.spec.ttl_seconds_after_finished
        # Compared as an age: a ttl may be larger than what a date can hold.
        if ttl is not None and age >= ttl:
            over.append(migration)
            continue
        seen[migration.namespace] += 1
        if keep and seen[migration.namespace] > keep:
            over.append(migration)
    return tuple(reversed(over))


def _age(migration: Migration, now: datetime) -> float | None:
    """Seconds since its end; None where it is not over, or not done with."""
    ended = migration.status.completed_at
    if not ended or migration.status.phase not in status.TERMINAL_VALUES:
        return None
    if migration.finalizers or migration.deletion_requested:
        return None
    try:
        # Not `seconds_since`: an end by a clock that was ahead is not one of long ago.
        return (now - status.parse(ended)).total_seconds()
    except (ValueError, TypeError):
        return None  # no time, or one without a zone: not ours, and one must not stop the others
