"""Leadership in every way it can end, in real but short time (a lease of 1.5 s)."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from podferry.api.clock import SystemClock
from podferry.kube import paths
from podferry.kube.client import ApiClient
from podferry.kube.lease import LeaderElector, LeadershipLost
from tests.fakes.apiserver import FakeApiServer, Recorded, Refused

LEASE = paths.leases("system", "podferry")
RENEW_DEADLINE = 1.0
LEASE_DURATION = 1.5


def elector(client: ApiClient, identity: str, **settings: Any) -> LeaderElector:
    times = {"lease_duration": LEASE_DURATION, "renew_deadline": RENEW_DEADLINE}
    return LeaderElector(
        client,
        "system",
        "podferry",
        identity,
        clock=SystemClock(monotonic=asyncio.get_running_loop().time),
        rng=random.Random(3),
        retry_period=0.2,
        **(times | settings),
    )


class Leading:
    """A leader that notes when it began and when it was told to stop."""

    def __init__(self, *, cleanup_seconds: float = 0.0) -> None:
        self.began = asyncio.Event()
        self.ended_at: float | None = None
        self.cleanup_seconds = cleanup_seconds
        self.told_at: float | None = None

    async def __call__(self) -> None:
        self.began.set()
        loop = asyncio.get_running_loop()
        try:
            await asyncio.Event().wait()
        finally:
            self.told_at = loop.time()
            if self.cleanup_seconds:
                await asyncio.sleep(self.cleanup_seconds)
            self.ended_at = loop.time()


async def start(chosen: LeaderElector, lead: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    return asyncio.create_task(chosen.run(lead))


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_lease_that_does_not_exist_is_created_with_utc_microseconds() -> None:
    async with FakeApiServer() as server:
        lead = Leading()
        chosen = elector(await server.client(), "one")
        task = await start(chosen, lead)
        await asyncio.wait_for(lead.began.wait(), 2)
        spec = (server.object(LEASE) or {})["spec"]
        assert spec["holderIdentity"] == "one"
        assert spec["leaseDurationSeconds"] == 2
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", spec["renewTime"])
        assert chosen.is_leader
        await stop(task)


async def test_a_lease_is_released_when_the_leader_is_asked_to_go() -> None:
    async with FakeApiServer() as server:
        lead = Leading()
        chosen = elector(await server.client(), "one")
        task = await start(chosen, lead)
        await asyncio.wait_for(lead.began.wait(), 2)
        await stop(task)
        assert lead.ended_at is not None
        assert "holderIdentity" not in (server.object(LEASE) or {})["spec"]
        assert not chosen.is_leader
        other = Leading()
        second = await start(elector(await server.client(), "two"), other)
        await asyncio.wait_for(other.began.wait(), 0.5)  # at once, not after the lease ran out
        assert (server.object(LEASE) or {})["spec"]["leaseTransitions"] == 1
        await stop(second)


async def test_a_leader_that_returns_ends_the_run_and_frees_the_lease() -> None:
    async def lead() -> None:
        return

    async with FakeApiServer() as server:
        await asyncio.wait_for(elector(await server.client(), "one").run(lead), 2)
        assert "holderIdentity" not in (server.object(LEASE) or {})["spec"]


async def test_a_crash_of_the_leader_ends_the_run_and_frees_the_lease() -> None:
    async def lead() -> None:
        await asyncio.sleep(0.1)
        raise ZeroDivisionError("a bug")

    async with FakeApiServer() as server:
        with pytest.raises(ZeroDivisionError, match="a bug"):
            await asyncio.wait_for(elector(await server.client(), "one").run(lead), 2)
        assert "holderIdentity" not in (server.object(LEASE) or {})["spec"]


async def test_a_refused_connection_stops_the_leader_before_the_deadline() -> None:
    lead = Leading()
    async with FakeApiServer() as server:
        client = ApiClient.for_url(server.url)
        chosen = elector(client, "one")
        task = await start(chosen, lead)
        await asyncio.wait_for(lead.began.wait(), 2)
    gone_at = asyncio.get_running_loop().time()
    with pytest.raises(LeadershipLost, match="not renewed for"):
        await asyncio.wait_for(task, 3)
    assert lead.told_at is not None
    assert lead.told_at - gone_at < RENEW_DEADLINE
    assert not chosen.is_leader
    await client.close()


async def test_a_server_that_hangs_stops_the_leader_before_the_deadline() -> None:
    async with FakeApiServer() as server:
        lead = Leading()
        task = await start(elector(await server.client(), "one"), lead)
        await asyncio.wait_for(lead.began.wait(), 2)
        server.intercept = lambda _request: 30.0
        hung_at = asyncio.get_running_loop().time()
        before = len(server.requests)
        with pytest.raises(LeadershipLost):
            await asyncio.wait_for(task, 3)
        assert lead.told_at is not None
        assert lead.told_at - hung_at < RENEW_DEADLINE
        # The last one is the release, after the loss.
        assert len(server.requests) - before >= 3, "one hung try must not use up all the time"


async def test_errors_shorter_than_the_deadline_do_not_cost_the_leadership() -> None:
    async with FakeApiServer() as server:
        lead = Leading()
        chosen = elector(await server.client(), "one")
        task = await start(chosen, lead)
        await asyncio.wait_for(lead.began.wait(), 2)
        server.intercept = lambda _request: Refused(503, "ServiceUnavailable", "busy")
        await asyncio.sleep(0.5)
        server.intercept = None
        await asyncio.sleep(RENEW_DEADLINE)
        assert chosen.is_leader
        assert lead.told_at is None
        await stop(task)


async def test_a_stolen_lease_stops_the_leader_at_the_next_renewal() -> None:
    async with FakeApiServer() as server:
        lead = Leading()
        task = await start(elector(await server.client(), "one"), lead)
        await asyncio.wait_for(lead.began.wait(), 2)
        server.patch(LEASE, {"spec": {"holderIdentity": "thief"}})
        with pytest.raises(LeadershipLost, match="held by thief"):
            await asyncio.wait_for(task, 1)
        assert lead.ended_at is not None
        assert (server.object(LEASE) or {})["spec"]["holderIdentity"] == "thief"


async def test_a_deleted_lease_is_made_anew_without_losing_the_leadership() -> None:
    async with FakeApiServer() as server:
        lead = Leading()
        chosen = elector(await server.client(), "one")
        task = await start(chosen, lead)
        await asyncio.wait_for(lead.began.wait(), 2)
        server.remove(LEASE)
        await asyncio.sleep(0.5)
        assert (server.object(LEASE) or {})["spec"]["holderIdentity"] == "one"
        assert chosen.is_leader
        await stop(task)


async def test_a_foreign_write_that_keeps_us_as_holder_does_not_cost_the_leadership() -> None:
    async with FakeApiServer() as server:
        lead = Leading()
        chosen = elector(await server.client(), "one")
        task = await start(chosen, lead)
        await asyncio.wait_for(lead.began.wait(), 2)
        server.patch(LEASE, {"metadata": {"labels": {"touched": "yes"}}})
        await asyncio.sleep(0.5)
        assert chosen.is_leader
        assert (server.object(LEASE) or {})["metadata"]["labels"] == {"touched": "yes"}
        await stop(task)


async def test_a_dead_holder_is_succeeded_only_after_its_lease_ran_out_on_our_clock() -> None:
    async with FakeApiServer() as server:
        # The time in the lease is far in the past: it must not matter.
        spec = {
            "holderIdentity": "dead",
            "renewTime": "2001-01-01T00:00:00.000000Z",
            "leaseDurationSeconds": 1,
        }
        server.seed(paths.leases("system"), {"metadata": {"name": "podferry"}, "spec": spec})
        lead = Leading()
        started = asyncio.get_running_loop().time()
        task = await start(elector(await server.client(), "two"), lead)
        await asyncio.wait_for(lead.began.wait(), 4)
        assert asyncio.get_running_loop().time() - started >= LEASE_DURATION
        await stop(task)


async def test_two_candidates_never_lead_at_once_across_a_takeover() -> None:
    leading: set[str] = set()
    overlaps: list[set[str]] = []

    def lead(name: str) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            leading.add(name)
            if len(leading) > 1:
                overlaps.append(set(leading))
            try:
                await asyncio.Event().wait()
            finally:
                leading.discard(name)

        return run

    async with FakeApiServer() as server:
        one = await start(elector(await server.client(), "one"), lead("one"))
        async with asyncio.timeout(2):
            while "one" not in leading:
                await asyncio.sleep(0.01)
        two = await start(elector(await server.client(), "two"), lead("two"))

        def cut_off_one(seen: Recorded) -> Refused | None:
            holder = ((seen.body or {}).get("spec") or {}).get("holderIdentity")
            is_one = seen.method == "PUT" and holder != "two"
            return Refused(503, "ServiceUnavailable", "busy") if is_one else None

        server.intercept = cut_off_one
        async with asyncio.timeout(5):
            while "two" not in leading:
                await asyncio.sleep(0.01)
        assert not overlaps
        with pytest.raises(LeadershipLost):
            await one
        await stop(two)


async def test_the_run_waits_for_the_end_of_a_leader_that_cleans_up() -> None:
    async with FakeApiServer() as server:
        lead = Leading(cleanup_seconds=0.3)
        task = await start(elector(await server.client(), "one"), lead)
        await asyncio.wait_for(lead.began.wait(), 2)
        await stop(task)
        assert lead.ended_at is not None
        assert lead.told_at is not None
        assert lead.ended_at - lead.told_at >= 0.3


async def test_a_leader_that_does_not_end_is_ended_with_its_process() -> None:
    stuck = asyncio.Event()
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async with FakeApiServer() as server:
        chosen = elector(await server.client(), "one", on_stuck=stuck.set)
        task = await start(chosen, stubborn)
        async with asyncio.timeout(2):
            while not chosen.is_leader:
                await asyncio.sleep(0.01)
        server.intercept = lambda _request: Refused(503, "ServiceUnavailable", "busy")
        await asyncio.wait_for(stuck.wait(), 3)
        release.set()
        await asyncio.gather(task, return_exceptions=True)


async def test_times_that_would_allow_two_leaders_are_refused() -> None:
    async with FakeApiServer() as server:
        client = await server.client()
        with pytest.raises(ValueError, match="renew_deadline"):
            elector(client, "one", renew_deadline=2.0)
