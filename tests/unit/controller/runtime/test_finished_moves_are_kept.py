"""The leader keeps finished moves in a ConfigMap: read once, written on news, never wiped."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from podferry.api.clock import FakeClock
from podferry.api.errors import RetryableError
from podferry.api.migration import Migration
from podferry.controller.runtime import move_records
from podferry.controller.runtime.move_records import KEY, MoveRecords
from podferry.controller.runtime.rescue_metrics import RescueMetrics
from podferry.kube.client import ApiClient
from podferry.strategies.container.moves import record
from tests.fakes.apiserver import FakeApiServer, Recorded
from tests.fakes.model import Refused
from tests.unit.strategies.container.samples import GIB, move

PATH = "/api/v1/namespaces/podferry-system/configmaps/podferry-moves"
Object = dict[str, Any]


class World:
    """Records, their server, and the Migrations that there are."""

    def __init__(self, server: FakeApiServer, client: ApiClient) -> None:
        self.server, self.client = server, client
        self.migrations: dict[str, Migration] = {}
        self.leader = True
        self.errors: list[str] = []
        self.parsed: list[str] = []
        self.records = self.start()

    def start(self) -> MoveRecords:
        """Another leader."""
        return MoveRecords(
            self.client,
            lambda: [
                {"metadata": {"uid": uid}, "status": {"phase": one.status.phase}}
                for uid, one in self.migrations.items()
            ],
            parse=self.parse,
            namespace="podferry-system",
            clock=FakeClock(),
            is_leader=lambda: self.leader,
            on_error=self.errors.append,
        )

    def parse(self, raw: Object) -> Migration:
        uid = raw["metadata"]["uid"]
        self.parsed.append(uid)
        if uid == "nonsense":
            raise RetryableError("Nonsense", "cannot be read")
        return self.migrations[uid]

    def over(self, *uids: str, **status: Any) -> None:
        for uid in uids:
            self.migrations[uid] = replace(move(GIB, 1.0, **status), uid=uid)

    def seed(self, text: str) -> None:
        meta = {"name": "podferry-moves", "namespace": "podferry-system"}
        self.server.seed(PATH, {"metadata": meta, "data": {KEY: text}})

    def written(self) -> list[str]:
        found = self.server.object(PATH)
        assert found is not None
        return sorted(one["uid"] for one in json.loads(found["data"][KEY]))

    def writes(self) -> int:
        return sum(seen.method == "PATCH" for seen in self.server.requests)

    def known(self) -> list[str]:
        return sorted(one.uid for one in self.records.kept())


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeApiServer() as server:
        yield World(server, await server.client())


async def test_a_move_outlives_its_migration_and_the_leader(world: World) -> None:
    world.over("one")
    await world.records.look()
    world.migrations.clear()
    world.records = world.start()
    await world.records.look()
    world.over("two")
    await world.records.look()
    assert world.known() == world.written() == ["one", "two"]


async def test_without_news_nothing_is_written_and_nothing_parsed_twice(world: World) -> None:
    world.over("one")
    for _ in range(3):
        await world.records.look()
    assert world.writes() == 1
    assert world.parsed == ["one"]


async def test_without_any_move_no_config_map_is_made(world: World) -> None:
    world.over("undone", phase="RolledBack")
    world.over("going", phase="Freezing")
    await world.records.look()
    assert world.server.object(PATH) is None


async def test_a_move_is_kept_once_it_ended(world: World) -> None:
    world.over("one", phase="Freezing")
    await world.records.look()
    world.over("one")
    await world.records.look()
    assert world.written() == ["one"]


async def test_who_does_not_lead_writes_nothing(world: World) -> None:
    world.leader = False
    world.over("one")
    await world.records.look()
    assert (world.writes(), world.known()) == (0, ["one"])
    world.leader = True
    await world.records.look()
    assert world.written() == ["one"]


async def test_what_cannot_be_read_is_never_overwritten(world: World) -> None:
    def refuse(seen: Recorded) -> Refused | None:
        return Refused(503, "ServiceUnavailable", "no") if seen.method == "GET" else None

    old = record(replace(move(GIB, 1.0), uid="old"))
    assert old is not None
    world.seed(json.dumps([old.to_dict()]))
    world.over("new")
    world.server.intercept = refuse
    await world.records.look()
    assert world.writes() == 0
    assert world.errors
    world.server.intercept = None
    await world.records.look()
    assert world.written() == world.known() == ["new", "old"]


async def test_a_failed_write_is_counted_and_tried_again(world: World) -> None:
    def refuse(seen: Recorded) -> Refused | None:
        return Refused(403, "Forbidden", "no") if seen.method == "PATCH" else None

    world.over("one")
    world.server.intercept = refuse
    await world.records.look()
    assert world.errors == ["Forbidden"]
    world.server.intercept = None
    await world.records.look()
    assert world.written() == ["one"]


@pytest.mark.parametrize(
    "text", ["", "{", "{}", "[" * 100_000, '[1, {"uid": "x"}, null]', "[1" + "0" * 5000 + "]"]
)
async def test_nonsense_in_the_config_map_is_left_out(world: World, text: str) -> None:
    world.seed(text)
    world.over("one")
    await world.records.look()
    assert world.known() == world.written() == ["one"]


async def test_a_migration_that_cannot_be_parsed_does_not_stand_against_the_others(
    world: World,
) -> None:
    world.over("nonsense", "one")
    await world.records.look()
    assert world.written() == ["one"]


def test_no_more_is_written_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [record(replace(move(GIB, 1.0), uid=str(n))) for n in range(3)]
    moves = tuple(one for one in found if one is not None)
    monkeypatch.setattr(move_records, "LIMIT_BYTES", 400)
    text = move_records.manifest("podferry-system", moves)["data"][KEY]
    assert len(text) <= 400
    assert [one["uid"] for one in json.loads(text)] == ["0", "1"]


def test_more_than_fits_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(move_records, "LIMIT_BYTES", 10)
    moves, bad = move_records.parsed("[" + " " * 20 + "]")
    assert (moves, bad) == ((), ["more than 10 bytes"])


def test_how_many_moves_the_model_rests_on_and_their_age_are_metrics() -> None:
    registry = CollectorRegistry()
    counters = RescueMetrics(registry)
    model: list[tuple[int, float | None]] = [(0, None)]
    counters.watch_model(lambda: model[0])

    def value(name: str) -> float:
        found = registry.get_sample_value(f"podferry_rescue_model_{name}")
        assert found is not None
        return found

    assert value("moves") == 0
    assert math.isnan(value("age_seconds"))
    model[0] = (7, 60.0)
    assert (value("moves"), value("age_seconds")) == (7, 60.0)
