"""Mirror one collection of the API server in a store.

Owns the loop: paged list -> watch with bookmarks -> on 410 list again and report the difference
-> full-jitter backoff after anything else, also after a clean end that came too soon. It never
ends by itself: a server that misbehaves makes the store older (`last_contact_monotonic`), never
wrong, and never busy. It never decides: `on_change` gets a key, the reader reads the store. What
is in the store is compact, see `podferry.kube.compact`, or what `keep` makes of an object.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any

import structlog

from podferry.api.clock import Clock
from podferry.kube import errors
from podferry.kube.backoff import Backoff
from podferry.kube.client import WATCH_SILENCE_SECONDS, ApiClient
from podferry.kube.compact import Compactor
from podferry.kube.store import Indexer, Store, key_of
from podferry.kube.wording import Params, describe

SHORT_WATCH_SECONDS = 1.0
"""A watch that ended cleanly sooner than this counts as a failure [s]."""
WATCH_SECONDS = (300, 600)
"""The server is asked to end a watch after a random time in this range [s]."""

TOLD_AT_ONCE = 500
"""Keys of a list that are told before others of the event loop get their turn."""

_MALFORMED = (KeyError, TypeError, AttributeError, ValueError)

_log = structlog.get_logger(__name__)


class Reflector:
    """A store that follows one collection. Run `run()` as a task, wait for `synced`."""

    def __init__(
        self,
        client: ApiClient,
        path: str,
        *,
        clock: Clock,
        rng: random.Random,
        params: Params | None = None,
        on_change: Callable[[str], None] | None = None,
        indexers: Mapping[str, Indexer] | None = None,
        keep: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        silence_seconds: float = WATCH_SILENCE_SECONDS,
        backoff_seconds: tuple[float, float] = (0.5, 30.0),
    ) -> None:
        self._client = client
        self._path = path
        self._params = dict(params or {})
        self._clock = clock
        self._rng = rng
        self._on_change = on_change
        self._silence_seconds = silence_seconds
        base, cap = backoff_seconds
        self._backoff = Backoff(base_seconds=base, cap_seconds=cap, rng=rng)
        self._kept = keep or Compactor()
        self._version: str | None = None
        self._watching: asyncio.Task[None] | None = None
        self._log = _log.bind(watch=describe("WATCH", path, params))
        self.store = Store(indexers=indexers)
        self.synced = asyncio.Event()
        self.last_contact_monotonic: float | None = None
        """When the server last said anything, by the clock given [s]; None: never."""
        self.restarts = 0
        """Watches that ended, for whatever reason."""
        self.relists = 0
        """Full lists after the first."""
        self.last_error: errors.ApiError | None = None

    def staleness_seconds(self) -> float:
        """Return how long the server has been silent [s]; infinite before the first contact."""
        if self.last_contact_monotonic is None:
            return float("inf")
        return self._clock.monotonic() - self.last_contact_monotonic

    def request_relist(self) -> None:
        """End the current watch and read the whole collection again, now."""
        self._version = None
        if self._watching is not None:
            self._watching.cancel()

    async def run(self) -> None:
        """Mirror until cancelled."""
        listed = False
        while True:
            try:
                if self._version is None:
                    await self._list(first=not listed)
                    listed = True
                else:
                    await self._watch_until_end()
            except errors.Gone as error:
                self.restarts += 1
                self._version = None
                self.last_error = error
                await self._pause(why=error.message, at_least=0.0)
            except errors.ApiError as error:
                self.restarts += 1
                self.last_error = error
                wait = error.retry_after if isinstance(error, errors.Unavailable) else None
                await self._pause(why=error.message, at_least=wait or 0.0)

    async def _list(self, *, first: bool) -> None:
        try:
            found = await self._client.list(self._path, params=self._params, keep=self._kept)
            self._touch()
            version = str(found["metadata"]["resourceVersion"])
            changed = self.store.replace(found["items"])
        except _MALFORMED as error:
            raise self._nonsense(error) from error
        self._version = version
        self.relists += not first
        for told, key in enumerate(changed):
            self._tell(key)
            if told % TOLD_AT_ONCE == TOLD_AT_ONCE - 1:
                await asyncio.sleep(0)
        self.synced.set()

    async def _watch_until_end(self) -> None:
        """Watch; after an end that came too soon, pause."""
        started = self._clock.monotonic()
        self._watching = asyncio.create_task(self._watch(), name=f"watch {self._path}")
        try:
            await self._watching
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._version is not None or (task is not None and task.cancelling()):
                raise
            return  # a relist was requested
        finally:
            self._watching = None
        self.restarts += 1
        if self._clock.monotonic() - started >= SHORT_WATCH_SECONDS:
            self._backoff.reset()
        else:
            await self._pause(why="the watch ended at once", at_least=0.0)

    async def _watch(self) -> None:
        assert self._version is not None
        low, high = WATCH_SECONDS
        params = {**self._params, "timeoutSeconds": self._rng.randint(low, high)}
        stream = self._client.watch(
            self._path,
            resource_version=self._version,
            params=params,
            silence_seconds=self._silence_seconds,
        )
        async with aclosing(stream) as events:
            async for event in events:
                self._touch()
                self._take(event)

    def _take(self, event: Any) -> None:
        try:
            changed = self._keep(event)
        except _MALFORMED as error:
            # What was lost with it is unknown, so only a list gives the truth again.
            self._version = None
            raise self._nonsense(error) from error
        if changed is not None:
            self._tell(changed)

    def _keep(self, event: dict[str, Any]) -> str | None:
        """Take an event into the store; return the key that changed."""
        kind = event.get("type")
        obj = event["object"]
        if kind == "ERROR":
            raise errors.from_answer(
                int(obj.get("code") or 500),
                reason=str(obj.get("reason") or ""),
                request=describe("WATCH", self._path, self._params),
                said=str(obj.get("message") or ""),
            )
        version = str(obj["metadata"]["resourceVersion"])
        changed = False
        if kind in ("ADDED", "MODIFIED"):
            changed = self.store.put(self._kept(obj))
        elif kind == "DELETED":
            changed = self.store.drop(key_of(obj))
        if self._version is not None and version != self._version:
            self._version = version
            # Progress was made, so the next failure is a new one.
            self._backoff.reset()
        return key_of(obj) if changed else None

    def _nonsense(self, error: Exception) -> errors.ServerFailed:
        what = describe("WATCH", self._path, self._params)
        text = f"{what}: an answer that is no Kubernetes object ({error!r}); listing again"
        return errors.ServerFailed(0, "Malformed", text)

    def _touch(self) -> None:
        self.last_contact_monotonic = self._clock.monotonic()

    def _tell(self, key: str) -> None:
        if self._on_change is not None:
            self._on_change(key)

    async def _pause(self, *, why: str, at_least: float) -> None:
        seconds = self._backoff.next(at_least=at_least)
        self._log.warning(
            "watch restarts", why=why, wait_seconds=round(seconds, 3), restarts=self.restarts
        )
        await asyncio.sleep(seconds)
