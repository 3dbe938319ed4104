"""Deletes finished Migrations: whose ttl is over, or that are too many. Runs in the leader, rarely.

Owns the deleting, with the uid as precondition. What is due is decided in `core.expiry`; a
Migration that ended never changes its end, so a look at the store is enough, however old it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from podferry.api.clock import Clock
from podferry.api.errors import PodferryError
from podferry.api.migration import Migration
from podferry.controller.core import expiry
from podferry.controller.runtime.reconciler import NotLeading
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient

EVERY_SECONDS = 10.0
"""A Migration stays at most so much longer than its ttl, while a controller leads [s]."""

_log = structlog.get_logger(__name__)


class Expirer:
    """See the module.

    Args:
        client: for the deletes.
        migrations: all raw Migrations, from the store.
        is_leader: asked before each delete.
        keep: so many finished ones stay in each namespace; 0: any number.
    """

    def __init__(
        self,
        client: ApiClient,
        migrations: Callable[[], list[dict[str, Any]]],
        *,
        clock: Clock,
        parse: Callable[[dict[str, Any]], Migration],
        is_leader: Callable[[], bool],
        keep: int,
    ) -> None:
        self._client, self._migrations = client, migrations
        self._clock, self._parse, self._is_leader, self._keep = clock, parse, is_leader, keep

    async def run(self) -> None:
        """Look until cancelled; raises NotLeading."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self.look()

    async def look(self) -> int:
        """Delete what is due; how many were deleted. Raises NotLeading.

        One that cannot be deleted is logged, tried again at the next look, and stops no other.
        """
        known = [found for raw in self._migrations() if (found := self._read(raw)) is not None]
        deleted = 0
        for migration in expiry.due(known, self._clock.now(), keep=self._keep):
            if not self._is_leader():
                raise NotLeading
            deleted += await self._delete(migration)
        return deleted

    def _read(self, raw: dict[str, Any]) -> Migration | None:
        try:
            return self._parse(raw)
        except PodferryError:
            return None  # never deleted by guess; the reconciler says what is wrong with it

    async def _delete(self, migration: Migration) -> bool:
        where = f"{migration.namespace}/{migration.name}"
        try:
            await self._client.delete(
                paths.migrations(migration.namespace, migration.name),
                body={"preconditions": {"uid": migration.uid}},
            )
        except (errors.NotFound, errors.Conflict):
            return False  # gone already, or another one of that name
        except PodferryError as error:
            _log.warning("finished migration not deleted", migration=where, why=error.message)
            return False
        ttl = migration.spec.ttl_seconds_after_finished
        _log.info("finished migration deleted", migration=where, ttl_seconds=ttl)
        return True
