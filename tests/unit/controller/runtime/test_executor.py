"""Every action may be repeated, and acts on exactly the object that was meant."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from podferry.api.clock import FakeClock
from podferry.controller.core import actions
from podferry.controller.runtime.agent_client import AgentUnreachable
from podferry.controller.runtime.executor import ActionFailed, Executor, Subject
from podferry.controller.runtime.observe import Observations
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.kube.events import EventRecorder
from podferry.wire.stages import Observed, Order, Progress, Role
from tests.fakes.apiserver import FakeApiServer

POD = paths.pods("default", "web-1")
MIGRATION = paths.migrations("default", "move")


@dataclass
class FakeAgents:
    """Answers orders from a list; an exception in it is raised."""

    answers: list[Any] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)

    async def order(self, address: str, order: Order, *, wait_seconds: float) -> Observed:
        self.orders.append(order)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Observed)
        return answer

    async def probe(self, address: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "asked": body}


@dataclass
class World:
    server: FakeApiServer
    client: ApiClient
    agents: FakeAgents
    observations: Observations
    executor: Executor
    subject: Subject

    async def run(self, action: actions.Action) -> bool:
        return await self.executor.run(self.subject, action)

    def writes(self) -> list[str]:
        return [seen.method for seen in self.server.requests if seen.method != "GET"]

    def pod(self) -> dict[str, Any]:
        found = self.server.object(POD)
        assert found is not None
        return found


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeApiServer() as server:
        client = await server.client()
        clock, agents = FakeClock(), FakeAgents()
        observations = Observations(clock)
        events = EventRecorder(client, "controller", clock)
        executor = Executor(client, agents, observations, events, clock)  # type: ignore[arg-type]
        raw = server.seed(MIGRATION, {"metadata": {"name": "move", "namespace": "default"}})
        subject = Subject(
            "default", "move", raw["metadata"]["uid"], 1, raw["metadata"]["resourceVersion"], ()
        )
        server.seed(
            POD,
            {
                "metadata": {
                    "name": "web-1",
                    "namespace": "default",
                    "labels": {"app": "web", "pod-template-hash": "abc"},
                },
                "spec": {"containers": []},
            },
        )
        yield World(server, client, agents, observations, executor, subject)
        await client.close()


async def test_the_finalizer_is_put_on_once_and_taken_off_again(world: World) -> None:
    await world.run(actions.EnsureFinalizer())
    await world.run(actions.EnsureFinalizer())
    found = world.server.object(MIGRATION)
    assert found is not None
    assert found["metadata"]["finalizers"] == ["podferry.dev/migration"]
    assert len(world.writes()) == 1
    await world.run(actions.RemoveFinalizer())
    found = world.server.object(MIGRATION)
    assert found is not None
    assert not found["metadata"].get("finalizers")


async def test_a_finalizer_is_not_written_over_a_newer_migration(world: World) -> None:
    world.server.patch(MIGRATION, {"metadata": {"annotations": {"who": "somebody"}}})
    with pytest.raises(errors.Conflict):
        await world.run(actions.EnsureFinalizer())


def detach(world: World) -> actions.DetachSource:
    uid = world.pod()["metadata"]["uid"]
    return actions.DetachSource("default", "web-1", uid, ("pod-template-hash",))


async def test_detaching_keeps_the_labels_in_an_annotation_and_is_done_once(world: World) -> None:
    action = detach(world)
    assert await world.run(action)
    assert not await world.run(action)
    metadata = world.pod()["metadata"]
    assert metadata["labels"] == {"app": "web"}
    kept = json.loads(metadata["annotations"]["podferry.dev/detached-labels"])
    assert kept == {"pod-template-hash": "abc"}
    assert world.writes() == ["PATCH"]


async def test_reattaching_gives_the_labels_back_and_protects_the_source(world: World) -> None:
    await world.run(detach(world))
    uid = world.pod()["metadata"]["uid"]
    action = actions.ReattachSource("default", "web-1", uid, {"pod-template-hash": "abc"})
    assert await world.run(action)
    assert not await world.run(action)
    metadata = world.pod()["metadata"]
    assert metadata["labels"] == {"app": "web", "pod-template-hash": "abc"}
    assert metadata["annotations"] == {"controller.kubernetes.io/pod-deletion-cost": "2147483647"}


async def test_another_pod_of_the_same_name_is_never_detached(world: World) -> None:
    action = actions.DetachSource("default", "web-1", "other-uid", ("pod-template-hash",))
    with pytest.raises(ActionFailed, match="another one now"):
        await world.run(action)
    assert world.writes() == []


def manifest(attempt: int) -> dict[str, Any]:
    annotations = {"podferry.dev/restore": f"uid.{attempt}"}
    return {
        "metadata": {"name": "web-2", "namespace": "default", "annotations": annotations},
        "spec": {"containers": []},
    }


async def test_creating_a_pod_that_is_there_already_is_success(world: World) -> None:
    assert await world.run(actions.CreatePod(manifest(1)))
    assert not await world.run(actions.CreatePod(manifest(1)))


async def test_a_foreign_pod_of_the_wanted_name_is_a_failure(world: World) -> None:
    await world.run(actions.CreatePod(manifest(1)))
    with pytest.raises(ActionFailed, match=r"is not ours .*uid\.1, wanted uid\.2"):
        await world.run(actions.CreatePod(manifest(2)))


async def test_a_pod_is_deleted_by_uid_and_only_once(world: World) -> None:
    action = actions.DeletePod("default", "web-1", world.pod()["metadata"]["uid"])
    assert await world.run(action)
    assert not await world.run(action)


async def test_another_pod_of_the_same_name_is_never_deleted(world: World) -> None:
    assert not await world.run(actions.DeletePod("default", "web-1", "gone-uid", 0))
    assert world.server.object(POD) is not None


async def test_the_readiness_gate_is_set_by_a_patch_that_merges_conditions(world: World) -> None:
    uid = world.pod()["metadata"]["uid"]
    await world.run(actions.MarkPodRunning("default", "web-1", uid))
    (condition,) = world.pod()["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("podferry.dev/running", "True")
    assert world.server.requests[-1].content_type == "application/strategic-merge-patch+json"


@pytest.mark.parametrize("pod", ["web-1", "web-gone"])
async def test_a_target_that_is_gone_does_not_keep_the_source_from_its_release(
    world: World, pod: str
) -> None:
    assert not await world.run(actions.MarkPodRunning("default", pod, "another-uid"))
    assert "status" not in world.pod()


def order_agent() -> actions.OrderAgent:
    order = Order("mig", 1, Role.SOURCE, "Frozen")
    return actions.OrderAgent("node-a", "10.0.0.1", order, wait_seconds=5)


def observed(stage: str) -> Observed:
    return Observed("mig", 1, Role.SOURCE, stage, "Frozen", Progress.WORKING)


async def test_an_agent_s_answer_is_kept_and_only_a_new_one_is_news(world: World) -> None:
    world.agents.answers = [observed("Prepared"), observed("Prepared"), observed("Frozen")]
    news = [await world.run(order_agent()) for _ in range(3)]
    assert news == [True, False, True]
    kept, age = world.observations.side(("mig", 1, "source"))
    assert kept == observed("Frozen")
    assert age == 0


async def test_an_agent_that_does_not_answer_fails_the_action(world: World) -> None:
    world.agents.answers = [AgentUnreachable("AgentUnreachable", "no answer")]
    with pytest.raises(AgentUnreachable):
        await world.run(order_agent())
    assert world.observations.side(("mig", 1, "source")) == (None, float("inf"))


async def test_a_probe_is_kept_for_its_attempt(world: World) -> None:
    assert await world.run(actions.ProbeSource("node-a", "10.0.0.1", {"podUID": "p"}))
    kept = world.observations.probe(world.subject.uid, 1)
    assert kept == {"ok": True, "asked": {"podUID": "p"}}


async def test_an_event_is_written_about_the_migration_and_the_pod(world: World) -> None:
    await world.run(actions.RecordEvent("Normal", "Moved", "it moved", "web-1", "pod-uid"))
    await world.executor.drain()
    found = world.server.objects(paths.events("default"))
    about = {(event["regarding"]["kind"], event["regarding"]["name"]) for event in found}
    assert about == {("Migration", "move"), ("Pod", "web-1")}
