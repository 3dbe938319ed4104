"""Follows one Migration until it ends, through broken connections. Reads only; renders nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from podferry.api.clock import Clock
from podferry.api.reasons import TERMINAL
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient

AWAY_SECONDS = 60.0
"""So long the API server may be away before following is given up [s]."""
PAUSE_SECONDS = 0.5
"""Between two tries to read again [s]."""

Object = dict[str, Any]


def ended(migration: Object) -> bool:
    """Whether the Migration reached a terminal phase."""
    return phase_of(migration) in TERMINAL


def phase_of(migration: Object) -> str:
    """The phase, `Pending` as long as the controller wrote none."""
    return str((migration.get("status") or {}).get("phase") or "Pending")


async def versions(
    client: ApiClient, migration: Object, *, clock: Clock
) -> AsyncGenerator[Object, None]:
    """Yield the Migration as given and each later state; ends after a terminal phase.

    Raises:
        NotFound: it was deleted while it was followed.
        ApiError: the server refused, or was away for longer than AWAY_SECONDS.
    """
    metadata = migration["metadata"]
    path = paths.migrations(metadata["namespace"], metadata["name"])
    heard = clock.monotonic()
    yield migration
    while not ended(migration):
        try:
            async with aclosing(_changes(client, migration)) as changes:
                async for migration in changes:
                    heard = clock.monotonic()
                    yield migration
                    if ended(migration):
                        return
            latest = await client.get(path)
            if latest["metadata"]["uid"] != metadata["uid"]:
                raise errors.NotFound(404, "NotFound", f"{metadata['name']} was deleted meanwhile")
            heard = clock.monotonic()
        except (errors.ConnectionFailed, errors.Unavailable, errors.ServerFailed):
            if clock.monotonic() - heard > AWAY_SECONDS:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        if latest["metadata"]["resourceVersion"] != migration["metadata"]["resourceVersion"]:
            migration = latest
            yield migration
        await asyncio.sleep(0 if ended(migration) else PAUSE_SECONDS)


async def _changes(client: ApiClient, migration: Object) -> AsyncGenerator[Object, None]:
    """States newer than this one, from one watch; returns when the watch ends or expires."""
    metadata = migration["metadata"]
    watch = client.watch(
        paths.migrations(metadata["namespace"]),
        resource_version=metadata["resourceVersion"],
        params={"fieldSelector": f"metadata.name={metadata['name']}"},
    )
    try:
        async with aclosing(watch) as events:
            async for event in events:
                if event["type"] == "DELETED":
                    raise errors.NotFound(
                        404, "NotFound", f"{metadata['name']} was deleted while it was followed"
                    )
                if event["type"] in ("ADDED", "MODIFIED"):
                    yield event["object"]
                if event["type"] == "ERROR":
                    return
    except errors.Gone:
        return
