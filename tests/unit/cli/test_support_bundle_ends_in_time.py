"""A support bundle of a cluster that answers slowly ends, and says what was not asked for."""

from __future__ import annotations

from podferry.api.clock import FakeClock
from podferry.cli.bundle_read import TOTAL_SECONDS, collect
from tests.fakes.apiserver import FakeApiServer, Recorded


async def test_after_its_time_the_rest_is_listed_as_not_asked_for() -> None:
    clock = FakeClock()

    def slow(seen: Recorded) -> None:
        if seen.path.endswith("/migrations"):
            clock.advance(TOTAL_SECONDS + 1)

    async with FakeApiServer() as server:
        server.seed("/apis/podferry.dev/v1alpha1/namespaces/shop/migrations", {
            "metadata": {"name": "m"}, "spec": {},
        })  # fmt: skip
        server.intercept = slow
        contents = await collect(await server.client(), "shop", "", clock)
        asked = [seen.path.rpartition("/")[2] for seen in server.requests]
    assert asked == ["version", "migrations"]
    assert "migrations/m.json" in contents.files
    assert set(contents.missing.values()) == {"not asked for: the 120 s were over"}
    assert {"pods", "nodes", "node-facts.json", "system/pods"} <= set(contents.missing)
