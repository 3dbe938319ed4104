"""Which finished Migrations have had their time. Pure.

Owns the meaning of `ttlSecondsAfterFinished`. Never names one that has not ended, that still
carries a finalizer (ours or another's: somebody is not done with it), or that has no ttl.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from podferry.api.migration import Migration
from podferry.controller.core import status


def expired(migrations: Iterable[Migration], now: datetime) -> tuple[Migration, ...]:
    """Those to delete at `now` (aware, UTC), the longest ended first."""
    found = [migration for migration in migrations if _is_over(migration, now)]
    return tuple(sorted(found, key=lambda migration: migration.status.completed_at))


def _is_over(migration: Migration, now: datetime) -> bool:
    ttl, ended = migration.spec.ttl_seconds_after_finished, migration.status.completed_at
    if ttl is None or not ended or migration.status.phase not in status.TERMINAL_VALUES:
        return False
    if migration.finalizers or migration.deletion_requested:
        return False
    # Compared as an age: a ttl may be larger than what a date can hold.
    return status.seconds_since(ended, now) >= ttl
