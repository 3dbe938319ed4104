"""What the agents said is published once it is news, and again in time; never at any price."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from podferry.api.clock import FakeClock
from podferry.controller.runtime import facts_publisher
from podferry.controller.runtime.facts_publisher import EVERY_SECONDS, FactsPublisher
from podferry.controller.runtime.observe import Observations
from podferry.kube.client import ApiClient
from tests.fakes.apiserver import FakeApiServer, Recorded
from tests.fakes.model import Refused

PATH = "/api/v1/namespaces/podferry-system/configmaps/podferry-nodes"


class World:
    """A publisher, its server, and what the agents said."""

    def __init__(self, server: FakeApiServer, client: ApiClient) -> None:
        self.server, self.client = server, client
        self.clock = FakeClock()
        self.observations = Observations(self.clock)
        self.nodes = ["node-a", "node-b"]
        self.errors: list[str] = []
        self.publisher = FactsPublisher(
            self.client,
            self.observations,
            lambda: self.nodes,
            namespace="podferry-system",
            clock=self.clock,
            on_error=self.errors.append,
        )

    def say(self, **kernels: str) -> None:
        for node, kernel in kernels.items():
            self.observations.put_facts(node.replace("_", "-"), {"kernel": kernel})

    def data(self) -> dict[str, Any]:
        found = self.server.object(PATH)
        assert found is not None
        return {name: json.loads(text) for name, text in found["data"].items()}

    def writes(self) -> int:
        return sum(seen.method == "PATCH" for seen in self.server.requests)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeApiServer() as server:
        yield World(server, await server.client())


async def test_each_node_has_a_key_with_its_facts_and_when_they_were_said(world: World) -> None:
    world.say(node_a="6.1", node_b="6.2")
    world.clock.advance(30)
    await world.publisher.publish()
    assert world.data() == {
        "node-a": {"kernel": "6.1", "observedAt": "2026-01-01T00:00:00Z"},
        "node-b": {"kernel": "6.2", "observedAt": "2026-01-01T00:00:00Z"},
    }


async def test_the_same_facts_are_written_again_only_when_due(world: World) -> None:
    for passed in (0, 15, 15, EVERY_SECONDS - 31):
        world.clock.advance(passed)
        world.say(node_a="6.1")
        await world.publisher.publish()
    assert world.writes() == 1
    world.clock.advance(1)
    world.say(node_a="6.1")
    await world.publisher.publish()
    assert world.writes() == 2


async def test_news_is_written_at_once(world: World) -> None:
    for kernel in ("6.1", "6.2"):
        world.say(node_a=kernel)
        await world.publisher.publish()
    assert world.data()["node-a"]["kernel"] == "6.2"


async def test_a_node_that_left_or_fell_silent_has_no_key(world: World) -> None:
    world.say(node_a="6.1", node_b="6.1")
    await world.publisher.publish()
    world.nodes = ["node-a"]
    await world.publisher.publish()
    assert list(world.data()) == ["node-a"]
    world.clock.advance(61)
    await world.publisher.publish()
    assert world.data() == {}


async def test_without_any_node_in_the_store_nothing_is_wiped(world: World) -> None:
    world.say(node_a="6.1")
    await world.publisher.publish()
    world.nodes = []
    await world.publisher.publish()
    assert list(world.data()) == ["node-a"]


async def test_a_failed_write_is_counted_and_tried_again(world: World) -> None:
    def refuse(_seen: Recorded) -> Refused | None:
        return Refused(403, "Forbidden", "no")

    world.server.intercept = refuse
    world.say(node_a="6.1")
    await world.publisher.publish()
    assert world.errors == ["Forbidden"]
    world.server.intercept = None
    await world.publisher.publish()
    assert list(world.data()) == ["node-a"]


def test_what_does_not_fit_is_left_out_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts_publisher, "LIMIT_BYTES", 20)
    kept, left_out = facts_publisher.fitting({"a": "x" * 9, "b": "x" * 9, "c": "x"})
    assert (list(kept), left_out) == (["a", "b"], ["c"])
