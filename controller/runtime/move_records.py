"""Finished moves, kept beyond their Migrations: the ConfigMap `podferry-moves`.

Owns that object: one key, JSON of the newest moves (see `strategies.container.moves`), which name
neither workload nor node. It is read once, by a new leader; nothing is written before that worked,
so a leader that cannot read never wipes what was kept. For one event loop.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from podferry.api.clock import Clock
from podferry.api.errors import PodferryError
from podferry.api.migration import Migration
from podferry.controller.core.status import TERMINAL_VALUES
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.strategies.container.moves import MoveRecord, merged, record
from podferry.wire import names

Object = dict[str, Any]

LOOK_SECONDS = 10.0
"""Between two looks for moves that ended [s]."""
KEY = "moves.json"
LIMIT_BYTES = 900 * 1024
"""Largest data that is read or written; the API server takes no object above 1 MiB or so."""

_log = structlog.get_logger(__name__)


class MoveRecords:
    """See the module.

    Args:
        client: connection to the API server.
        migrations: returns the raw Migrations there are.
        parse: turns one into a value.
        namespace: where the ConfigMap is kept.
        clock: for what is logged of ages.
        is_leader: nothing is written without.
        on_error: told the reason of a read or write that failed; for metrics.
    """

    def __init__(
        self,
        client: ApiClient,
        migrations: Callable[[], Iterable[Object]],
        *,
        parse: Callable[[Object], Migration],
        namespace: str,
        clock: Clock,
        is_leader: Callable[[], bool],
        on_error: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self._client, self._migrations, self._parse = client, migrations, parse
        self._path = paths.configmaps(namespace, names.MOVES)
        self._namespace, self._clock = namespace, clock
        self._is_leader, self._on_error = is_leader, on_error
        self._kept: tuple[MoveRecord, ...] = ()
        self._written: tuple[MoveRecord, ...] | None = None
        self._over: set[str] = set()

    def kept(self) -> tuple[MoveRecord, ...]:
        """Return the moves that are known, the newest first; empty until they were read."""
        return self._kept

    async def run(self) -> None:
        """Look again and again."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Take moves in that ended and write them down; a failure is tried again by the next."""
        try:
            if self._written is None:
                self._written = await self._read()
                self._kept = merged(self._written, self._kept)
            self._kept = merged(self._kept, self._ended())
            if self._kept != self._written and self._is_leader():
                await self._client.apply(
                    self._path,
                    manifest(self._namespace, self._kept),
                    field_manager=names.FIELD_MANAGER,
                )
                self._written = self._kept
        except errors.ApiError as error:
            self._on_error(error.reason)
            _log.warning(
                "finished moves are not kept now, tried again",
                configmap=names.MOVES,
                why=error.message,
                means="predictions rest on the Migrations that still exist",
            )

    def _ended(self) -> list[MoveRecord]:
        """Records of Migrations that ended since the last look; each is parsed once."""
        found = []
        present = set()
        for raw in self._migrations():
            uid = str(raw["metadata"]["uid"])
            present.add(uid)
            over = (raw.get("status") or {}).get("phase") in TERMINAL_VALUES
            if not over or uid in self._over:
                continue
            try:
                one = record(self._parse(raw))
            except PodferryError:
                continue  # its own reconcile reports it
            self._over.add(uid)
            if one is not None:
                found.append(one)
        self._over &= present
        return found

    async def _read(self) -> tuple[MoveRecord, ...]:
        """What was kept before us. Raises ApiError."""
        try:
            raw = await self._client.get(self._path)
        except errors.NotFound:
            return ()
        found, bad = parsed(str((raw.get("data") or {}).get(KEY, "[]")))
        if bad:
            _log.warning(
                "some finished moves that were kept cannot be read and are left out",
                configmap=names.MOVES,
                left_out=len(bad),
                first=bad[0],
            )
        newest = (self._clock.now() - found[0].completed_at).total_seconds() if found else None
        _log.info("finished moves were read", moves=len(found), newest_age_seconds=newest)
        return found


def parsed(text: str) -> tuple[tuple[MoveRecord, ...], list[str]]:
    """Return the moves of such a text, the newest first, and why some of it cannot be read."""
    if len(text.encode()) > LIMIT_BYTES:
        return (), [f"more than {LIMIT_BYTES} bytes"]
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        return (), [f"not JSON: {error}"]
    if not isinstance(raw, list):
        return (), [f"not a list but {type(raw).__name__}"]
    found, bad = [], []
    for one in raw:
        try:
            found.append(MoveRecord.from_dict(one))
        except ValueError as error:
            bad.append(str(error))
    return merged(found), bad


def manifest(namespace: str, moves: tuple[MoveRecord, ...]) -> Object:
    """Return the whole ConfigMap as it is applied: the newest moves that fit."""
    lines: list[str] = []
    size = 2
    for one in moves:
        line = json.dumps(one.to_dict(), separators=(",", ":"))
        size += len(line.encode()) + 2
        if size > LIMIT_BYTES:
            break
        lines.append(line)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": names.MOVES,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/part-of": "podferry"},
        },
        "data": {KEY: "[" + ",\n".join(lines) + "]"},
    }
