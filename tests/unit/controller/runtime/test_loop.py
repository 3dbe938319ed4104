"""What wakes a Migration, and what happens after an error."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from podferry.api import serde
from podferry.api.clock import FakeClock
from podferry.controller.runtime.loop import ControllerLoop
from podferry.controller.runtime.metrics import Metrics
from podferry.controller.runtime.reconciler import NotLeading, Outcome
from podferry.kube import errors, paths
from tests.fakes.apiserver import FakeApiServer


@dataclass
class FakeReconciler:
    """Notes each call; answers from a list, then with "nothing to do"."""

    answers: list[Any] = field(default_factory=list)
    calls: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def reconcile(self, namespace: str, name: str) -> Outcome:
        self.calls.put_nowait(f"{namespace}/{name}")
        answer = self.answers.pop(0) if self.answers else Outcome()
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Outcome)
        return answer


@dataclass
class World:
    server: FakeApiServer
    reconciler: FakeReconciler
    metrics: Metrics
    running: asyncio.Task[None]

    async def called(self) -> str:
        return await asyncio.wait_for(self.reconciler.calls.get(), 5)

    def seed(self, name: str, **status: Any) -> None:
        raw = {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"workloadRef": {"kind": "Pod", "name": "web"}},
            "status": status,
        }
        self.server.seed(paths.migrations("default", name), raw)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeApiServer() as server:
        client, metrics, reconciler = await server.client(), Metrics(), FakeReconciler()
        loop = ControllerLoop(
            client,
            clock=FakeClock(),
            rng=random.Random(1),
            metrics=metrics,
            parse=serde.parse_migration,
        )
        loop.attach(reconciler)  # type: ignore[arg-type]
        running = asyncio.create_task(loop.run())
        yield World(server, reconciler, metrics, running)
        running.cancel()
        with suppress(asyncio.CancelledError, ExceptionGroup):
            await running
        await client.close()


async def test_a_new_migration_is_reconciled(world: World) -> None:
    world.seed("move")
    assert await world.called() == "default/move"


async def test_an_outcome_at_once_comes_again_without_a_change(world: World) -> None:
    world.reconciler.answers = [Outcome(0.0)]
    world.seed("move")
    assert [await world.called(), await world.called()] == ["default/move"] * 2


@pytest.mark.parametrize(
    "error",
    [
        errors.Conflict(409, "Conflict", "somebody wrote"),
        errors.Timeout("no answer"),
        RuntimeError("a defect"),
    ],
)
async def test_after_an_error_it_is_read_again(world: World, error: Exception) -> None:
    world.reconciler.answers = [error]
    world.seed("move")
    assert [await world.called(), await world.called()] == ["default/move"] * 2
    assert "podferry_reconcile_errors_total{" in world.metrics.render().decode()


async def test_the_claimed_pod_wakes_its_migration(world: World) -> None:
    world.seed("move", source={"pod": "web"})
    world.seed("other", source={"pod": "another"})
    assert {await world.called(), await world.called()} == {"default/move", "default/other"}
    move = world.server.object(paths.migrations("default", "move"))
    assert move is not None
    metadata = {
        "name": "web-2",
        "namespace": "default",
        "labels": {"podferry.dev/migratable": "true"},
        "annotations": {"podferry.dev/restore": f"{move['metadata']['uid']}.1"},
    }
    world.server.seed(paths.pods("default", "web-2"), {"metadata": metadata, "spec": {}})
    assert await world.called() == "default/move"
    assert world.reconciler.calls.empty()


async def test_a_source_pod_that_vanishes_wakes_its_migration(world: World) -> None:
    labels = {"podferry.dev/migratable": "true"}
    metadata = {"name": "web", "namespace": "default", "labels": labels}
    world.seed("move", source={"pod": "web"})
    await world.called()
    world.server.seed(paths.pods("default", "web"), {"metadata": metadata, "spec": {}})
    assert await world.called() == "default/move"
    world.server.remove(paths.pods("default", "web"))
    assert await world.called() == "default/move"


async def test_lost_leadership_ends_the_loop(world: World) -> None:
    world.reconciler.answers = [NotLeading()]
    world.seed("move")
    with pytest.raises(ExceptionGroup) as ended:
        await asyncio.wait_for(world.running, 5)
    assert ended.group_contains(NotLeading)
