"""A Migration removed past its finalizer leaves a pod without owner; the leader gives it back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from podferry.api.clock import FakeClock
from podferry.api.errors import PodferryError
from podferry.api.reasons import Reason
from podferry.controller.core import strays
from podferry.controller.runtime.executor import Executor
from podferry.controller.runtime.observe import Observations
from podferry.controller.runtime.sweeper import Sweeper
from podferry.kube import paths
from podferry.kube.events import EventRecorder
from podferry.wire import names
from tests.fakes.apiserver import FakeApiServer

POD = paths.pods("default", "web-1")
TAKEN = {"pod-template-hash": "h"}


def pod(**notes: str) -> dict[str, Any]:
    notes = {names.ANNOTATION_DETACHED: json.dumps(TAKEN), names.ANNOTATION_MIGRATION: "m", **notes}
    metadata = {"name": "web-1", "namespace": "default", "uid": "u", "labels": {"app": "w"}}
    return {"metadata": {**metadata, "annotations": notes}}


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer() as running:
        yield running


async def sweep(server: FakeApiServer) -> int:
    clock = FakeClock()
    client = await server.client()
    events = EventRecorder(client, "controller", clock)
    executor = Executor(client, None, Observations(clock), events, clock)  # type: ignore[arg-type]
    stored = server.object(POD)
    assert stored is not None
    try:
        return await Sweeper(client, executor, lambda: [stored]).sweep()
    finally:
        await client.close()


def now(server: FakeApiServer) -> dict[str, Any]:
    found = server.object(POD)
    assert found is not None
    metadata: dict[str, Any] = found["metadata"]
    return metadata


async def test_its_labels_come_back_and_our_notes_go(server: FakeApiServer) -> None:
    server.seed(POD, pod())
    assert await sweep(server) == 1
    metadata = now(server)
    assert metadata["labels"] == {"app": "w", **TAKEN}
    assert names.ANNOTATION_DETACHED not in metadata["annotations"]


async def test_a_migration_that_the_store_missed_is_seen_in_the_api_server(
    server: FakeApiServer,
) -> None:
    server.seed(POD, pod())
    migration = {"metadata": {"name": "m", "namespace": "default", "uid": "m"}}
    server.seed(paths.migrations("default", "m"), migration)
    assert await sweep(server) == 0
    assert now(server)["labels"] == {"app": "w"}


def test_a_pod_that_is_being_deleted_stays_as_it_is() -> None:
    going = pod()
    going["metadata"]["deletionTimestamp"] = "t"
    assert strays.find([going], set()) == ()


def test_the_target_of_the_migration_is_not_given_back() -> None:
    assert strays.find([pod(**{names.ANNOTATION_RESTORE: "m.1"})], set()) == ()
    assert len(strays.find([pod(**{names.ANNOTATION_RESTORE: "earlier.1"})], set())) == 1


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "{}"])
def test_a_note_that_somebody_spoiled_is_left_alone(text: str) -> None:
    assert strays.find([pod(**{names.ANNOTATION_DETACHED: text})], set()) == ()


async def test_one_pod_that_cannot_be_given_back_does_not_stop_the_others(
    server: FakeApiServer,
) -> None:
    tried: list[str] = []

    class Failing:
        async def run(self, _subject: object, action: Any) -> None:
            tried.append(action.pod)
            raise PodferryError(Reason.INVALID_SPEC, "these labels are refused")

    first, second = pod(), pod()
    second["metadata"]["name"] = "web-2"
    client = await server.client()
    try:
        await Sweeper(client, Failing(), lambda: [first, second]).sweep()  # type: ignore[arg-type]
    finally:
        await client.close()
    assert tried == ["web-1", "web-2"]
