"""A finished Migration is deleted once its ttl is over, and nothing else is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from podferry.api import serde
from podferry.api.clock import FakeClock
from podferry.controller.runtime.expirer import Expirer
from podferry.controller.runtime.reconciler import NotLeading
from podferry.kube.client import ApiClient
from podferry.wire import names
from tests.fakes.apiserver import FakeApiServer, Recorded, Refused

PATH = "/apis/podferry.dev/v1alpha1/namespaces/shop/migrations"
ENDED = "2026-01-01T00:00:00.000000Z"


class World:
    """An expirer whose store is what the server holds, or what it held before."""

    def __init__(self, server: FakeApiServer, client: ApiClient) -> None:
        self.server, self.client, self.clock = server, client, FakeClock()
        self.leads = True
        self.keep = 0
        self.stale: list[dict[str, Any]] | None = None

    def add(
        self,
        name: str,
        ttl: int | None,
        *,
        phase: str = "Succeeded",
        ended: str = ENDED,
        finalizers: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        spec: dict[str, Any] = {"workloadRef": {"kind": "Pod", "name": "web"}}
        if ttl is not None:
            spec["ttlSecondsAfterFinished"] = ttl
        status = {"phase": phase} | ({"completedAt": ended} if ended else {})
        metadata = {"namespace": "shop", "name": name, "finalizers": list(finalizers)}
        return self.server.seed(PATH, {"metadata": metadata, "spec": spec, "status": status})

    def expirer(self) -> Expirer:
        """A new one each time, as after a crash: it keeps nothing in memory."""
        return Expirer(
            self.client,
            lambda: self.stale if self.stale is not None else self.server.objects(PATH),
            clock=self.clock,
            parse=serde.parse_migration,
            is_leader=lambda: self.leads,
            keep=self.keep,
        )

    def left(self) -> list[str]:
        return sorted(item["metadata"]["name"] for item in self.server.objects(PATH))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeApiServer() as server:
        yield World(server, await server.client())


async def test_it_is_deleted_when_its_ttl_is_over_and_not_before(world: World) -> None:
    world.add("m", 60)
    world.clock.advance(59.9)
    assert (await world.expirer().look(), world.left()) == (0, ["m"])
    world.clock.advance(0.1)
    assert (await world.expirer().look(), world.left()) == (1, [])


@pytest.mark.parametrize("phase", ["Succeeded", "RolledBack", "Failed", "Cancelled"])
async def test_a_ttl_of_zero_deletes_at_once_whatever_the_end(world: World, phase: str) -> None:
    world.add("m", 0, phase=phase)
    assert await world.expirer().look() == 1


@pytest.mark.parametrize(
    ("ttl", "more"),
    [
        (None, {}),
        (0, {"phase": "Committed"}),
        (0, {"phase": "Committed", "ended": ""}),
        (0, {"ended": ""}),
        (0, {"ended": "soon"}),
        (0, {"ended": "2026-01-01T00:00:00"}),
        (0, {"finalizers": (names.FINALIZER,)}),
        (0, {"finalizers": ("example.com/archive",)}),
        (2**62, {}),
    ],
)
async def test_what_has_no_ttl_or_is_not_done_is_kept(
    world: World, ttl: int | None, more: dict[str, Any]
) -> None:
    world.add("m", ttl, **more)
    world.clock.advance(10 * 365 * 86400)
    assert (await world.expirer().look(), world.left()) == (0, ["m"])
    assert world.server.object(f"{PATH}/m")["metadata"].get("deletionTimestamp") is None  # type: ignore[index]


async def test_another_migration_of_the_same_name_is_kept(world: World) -> None:
    world.stale = [world.add("m", 0)]
    world.server.remove(f"{PATH}/m")
    world.add("m", 0)
    assert (await world.expirer().look(), world.left()) == (0, ["m"])


async def test_a_crash_after_each_delete_is_made_good_by_the_next_look(world: World) -> None:
    for name in ("a", "b", "c"):
        world.add(name, 0)
    world.stale = world.server.objects(PATH)  # nobody's store has seen the deletes yet
    for expected in (["b", "c"], ["c"], []):
        allowed = iter([True] + [False] * 9)
        deletes = [item for item in world.left() if item not in expected]
        world.server.intercept = _one_delete(deletes[0], allowed)
        await world.expirer().look()
        assert world.left() == expected


def _one_delete(name: str, allowed: Any) -> Any:
    def answer(seen: Recorded) -> Refused | None:
        if seen.path.endswith(f"/{name}") and next(allowed):
            return None
        alive = Refused(503, "ServiceUnavailable", "the process is gone")
        return alive if seen.method == "DELETE" else None

    return answer


async def test_one_that_cannot_be_deleted_stops_no_other(world: World) -> None:
    world.add("a", 0)
    world.add("b", 0)
    world.server.intercept = lambda seen: (
        Refused(403, "Forbidden", "no") if seen.path.endswith("/a") else None
    )
    assert (await world.expirer().look(), world.left()) == (1, ["a"])


async def test_one_that_cannot_be_read_is_kept(world: World) -> None:
    world.add("a", 0)
    world.server.patch(f"{PATH}/a", {"spec": {"workloadRef": {"kind": "Unknown"}}})
    assert (await world.expirer().look(), world.left()) == (0, ["a"])


async def test_who_leads_no_more_deletes_nothing(world: World) -> None:
    world.add("m", 0)
    world.leads = False
    with pytest.raises(NotLeading):
        await world.expirer().look()
    assert world.left() == ["m"]


async def test_the_latest_ended_stay_where_a_namespace_has_more_than_its_limit(
    world: World,
) -> None:
    world.keep = 2
    for hour in (3, 1, 4, 2):
        world.add(f"m{hour}", None, ended=f"2026-01-01T0{hour}:00:00.000000Z")
    world.add("going", None, phase="Committed", ended="")
    assert (await world.expirer().look(), world.left()) == (2, ["going", "m3", "m4"])


async def test_one_whose_ttl_is_over_takes_no_place_of_another(world: World) -> None:
    world.keep = 1
    world.add("old", None, ended="2025-12-31T00:00:00.000000Z")
    world.add("expired", 0)
    assert (await world.expirer().look(), world.left()) == (1, ["old"])


async def test_an_end_by_a_clock_that_was_ahead_is_not_one_of_long_ago(world: World) -> None:
    world.add("m", 60, ended="2026-01-02T00:00:00.000000Z")
    assert (await world.expirer().look(), world.left()) == (0, ["m"])
