"""Leadership by a Lease: at most one process leads, and it stops in time when it cannot renew.

Owns the campaign, the renewals and the life of the leading coroutine. All deadlines are
monotonic and count from the moment a renewal was *sent*; what other machines wrote as a time is
never compared with our clock. Order of a loss: tell (cancel) the leader before `renew_deadline`
runs out, wait for its end, and only then let go. A leader that does not end before the Lease
expires is ended together with its process: two leaders would be worse.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from podferry.api.clock import Clock
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient

_log = structlog.get_logger(__name__)


class LeadershipLost(RuntimeError):
    """The Lease could not be renewed in time, or someone else holds it; the leader has ended.

    The process should end and start again: its caches and plans belong to a former leader.
    """


def _end_process() -> None:
    os._exit(70)


class LeaderElector:
    """Holds one Lease while a coroutine leads.

    Args:
        client: of the API server.
        namespace: of the Lease.
        name: of the Lease.
        identity: unique per process start (pod name and a random part); never reuse it.
        lease_duration: others wait so long without a renewal before they take over [s].
        renew_deadline: without a renewal for so long the leader has been told to stop [s].
        retry_period: between tries [s].
        clock: monotonic must be the event loop's.
        rng: spreads the tries of several candidates.
        on_stuck: called when the leader did not end before the Lease expired; ends the process.
    """

    def __init__(
        self,
        client: ApiClient,
        namespace: str,
        name: str,
        identity: str,
        *,
        clock: Clock,
        rng: random.Random,
        lease_duration: float = 15.0,
        renew_deadline: float = 10.0,
        retry_period: float = 2.0,
        on_stuck: Callable[[], None] = _end_process,
    ) -> None:
        if not 0 < 1.2 * retry_period < renew_deadline < lease_duration:
            raise ValueError(
                f"retry_period {retry_period} s x 1.2 < renew_deadline {renew_deadline} s < "
                f"lease_duration {lease_duration} s must hold, or leadership is lost or doubled"
            )
        self._client = client
        self._collection = paths.leases(namespace)
        self._path = paths.leases(namespace, name)
        self._namespace, self._name, self.identity = namespace, name, identity
        self._clock, self._rng, self._on_stuck = clock, rng, on_stuck
        self._lease_duration = lease_duration
        self._renew_deadline = renew_deadline
        self._retry_period = retry_period
        # Told so much before the deadline, a leader has time to stop before the deadline.
        self._stop_margin = min(retry_period / 2, (renew_deadline - retry_period) / 2)
        self._lease: dict[str, Any] | None = None
        self._seen: tuple[Any, ...] | None = None
        self._seen_at = 0.0
        self._renewed_at: float | None = None
        self._leading = False
        self._log = _log.bind(lease=f"{namespace}/{name}", identity=identity)

    @property
    def is_leader(self) -> bool:
        """True while we lead and the last renewal is young enough; ask before each decision."""
        return (
            self._leading
            and self._renewed_at is not None
            and self._clock.monotonic() < self._renewed_at + self._renew_deadline
        )

    @property
    def holder(self) -> str:
        """Who held the Lease when it was last read; empty if nobody."""
        return _holder(self._lease)

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait for the Lease, lead, let go. Returns when `lead` returns.

        Raises:
            LeadershipLost: after `lead` was cancelled and has ended.
            Exception: whatever ended `lead`; the Lease is free again then.
        """
        await self._campaign()
        self._leading = True
        self._log.info("leadership gained")
        leader = asyncio.ensure_future(_call(lead))
        lost = ""
        try:
            lost = await self._renew_while(leader)
        finally:
            self._leading = False
            await self._end(leader)
            await self._release()
        if lost:
            self._log.error("leadership lost", why=lost)
            raise LeadershipLost(f"lease {self._namespace}/{self._name}: {lost}")
        await leader  # raises what ended it

    async def _campaign(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._renew_deadline):
                    if await self._acquire_or_renew():
                        return
            except (errors.ApiError, TimeoutError) as error:
                self._log.warning("lease not reached", why=str(error) or "no answer in time")
            await asyncio.sleep(self._retry_period * self._rng.uniform(1.0, 1.2))

    async def _renew_while(self, leader: asyncio.Future[None]) -> str:
        """Renew until the leader ends (returns "") or leadership is lost (returns why)."""
        why = "no renewal was tried"
        while True:
            assert self._renewed_at is not None
            stop_at = self._renewed_at + self._renew_deadline - self._stop_margin
            left = stop_at - self._clock.monotonic()
            wait = min(self._retry_period, left)
            if wait > 0:
                await asyncio.wait([leader], timeout=wait)
            if leader.done():
                return ""
            left = stop_at - self._clock.monotonic()
            if left <= 0:
                return f"not renewed for {self._renew_deadline - self._stop_margin:g} s ({why})"
            try:
                # A try that hangs must leave time for another one on a new connection.
                limit = min(left, 2 * self._retry_period)
                if not await self._renew_or_leader_ends(leader, limit):
                    return "" if leader.done() else f"it is held by {self.holder or 'nobody'}"
            except TimeoutError:
                why = "no answer in time"
            except errors.ApiError as error:
                why = error.message
                self._log.warning("lease not renewed", why=why, left_seconds=round(left, 1))

    async def _renew_or_leader_ends(self, leader: asyncio.Future[None], limit: float) -> bool:
        """Try once, for at most `limit` seconds, and not beyond the leader's end."""
        attempt = asyncio.ensure_future(self._acquire_or_renew())
        try:
            both: set[asyncio.Future[Any]] = {attempt, leader}
            await asyncio.wait(both, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if attempt.done():
                return attempt.result()
            if leader.done():
                return False
            raise TimeoutError
        finally:
            attempt.cancel()
            await asyncio.wait([attempt])

    async def _acquire_or_renew(self) -> bool:
        """One try; True if the Lease is ours now. Raises ApiError."""
        sent = self._clock.monotonic()
        if not (self._leading and self._lease is not None):
            try:
                self._observe(await self._client.get(self._path))
            except errors.NotFound:
                body = self._body(None)
                self._observe(await self._client.create(self._collection, body))
                self._renewed_at = sent
                return True
            if not self._free():
                return False
            sent = self._clock.monotonic()
        try:
            answer = await self._client.update(self._path, self._body(self._lease))
        except errors.Conflict:
            # Someone wrote, or our own write without an answer landed: look who holds it.
            self._observe(await self._client.get(self._path))
            if self.holder != self.identity:
                return False
            sent = self._clock.monotonic()
            answer = await self._client.update(self._path, self._body(self._lease))
        except errors.NotFound:
            # Deleted under us: nobody else holds it, and a create is a compare-and-swap too.
            answer = await self._client.create(self._collection, self._body(None))
        self._observe(answer)
        self._renewed_at = sent
        return True

    def _observe(self, lease: dict[str, Any]) -> None:
        self._lease = lease
        spec = lease.get("spec") or {}
        record = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if record != self._seen:
            self._seen, self._seen_at = record, self._clock.monotonic()

    def _free(self) -> bool:
        """May we take what we last observed? Only our own clock since the observation counts."""
        if self.holder in ("", self.identity):
            return True
        spec = (self._lease or {}).get("spec") or {}
        theirs = float(spec.get("leaseDurationSeconds") or 0)
        duration = max(self._lease_duration, theirs)
        return self._clock.monotonic() >= self._seen_at + duration

    def _body(self, lease: dict[str, Any] | None, *, release: bool = False) -> dict[str, Any]:
        now = rfc3339_micro(self._clock.now())
        old = (lease or {}).get("spec") or {}
        ours = _holder(lease) == self.identity
        transitions = int(old.get("leaseTransitions") or 0)
        spec = {
            **old,
            "holderIdentity": None if release else self.identity,
            "leaseDurationSeconds": 1 if release else math.ceil(self._lease_duration),
            "acquireTime": old.get("acquireTime") if ours else now,
            "renewTime": now,
            "leaseTransitions": transitions + (0 if ours or lease is None else 1),
        }
        metadata = (lease or {}).get("metadata") or {
            "name": self._name,
            "namespace": self._namespace,
        }
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {name: value for name, value in spec.items() if value is not None},
        }

    async def _end(self, leader: asyncio.Future[None]) -> None:
        """Cancel the leader and wait for its end, at most until the Lease expires."""
        leader.cancel()
        assert self._renewed_at is not None
        expiry = self._renewed_at + self._lease_duration
        while not leader.done():
            left = expiry - self._clock.monotonic()
            if left <= 0:
                self._log.critical("leader did not end before its lease expired; ending process")
                self._on_stuck()
                return
            try:
                await asyncio.wait([leader], timeout=left)
            except asyncio.CancelledError:
                continue  # being cancelled ourselves does not shorten the leader's end

    async def _release(self) -> None:
        """Give the Lease back if it is still ours; best effort, bounded by a retry period."""
        if self.holder != self.identity:
            return
        try:
            async with asyncio.timeout(self._retry_period):
                await self._client.update(self._path, self._body(self._lease, release=True))
        except (errors.ApiError, TimeoutError) as error:
            self._log.info("lease not released, it will expire", why=str(error) or "no answer")


async def _call(lead: Callable[[], Awaitable[None]]) -> None:
    await lead()


def _holder(lease: dict[str, Any] | None) -> str:
    return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")


def rfc3339_micro(moment: datetime) -> str:
    """Return `moment` (aware) as the API's MicroTime, always in UTC."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; the API wants UTC")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
