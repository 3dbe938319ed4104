"""Events: once in 15 min, within the size limit, never an error."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.api.clock import FakeClock
from podferry.kube import paths
from podferry.kube.events import EventRecorder, cut
from tests.fakes.apiserver import FakeApiServer, Refused

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "namespace": "ns", "uid": "u1", "resourceVersion": "7"},
}


async def write(recorder: EventRecorder, note: str = "moved 3 GiB", reason: str = "Moved") -> None:
    await recorder.event(POD, type_="Normal", reason=reason, note=note, action="Migrate")


def written(server: FakeApiServer) -> list[dict[str, Any]]:
    return server.objects(paths.events(None))


async def test_an_event_names_its_object_and_who_reports() -> None:
    async with FakeApiServer() as server:
        await write(EventRecorder(await server.client(), "controller", FakeClock()))
        (event,) = written(server)
        assert event["regarding"]["uid"] == "u1"
        assert event["regarding"]["kind"] == "Pod"
        assert event["metadata"]["namespace"] == "ns"
        assert event["eventTime"] == "2026-01-01T00:00:00.000000Z"
        assert event["reportingController"] == "podferry.dev/controller"


async def test_the_same_event_is_written_again_only_after_15_minutes() -> None:
    async with FakeApiServer() as server:
        clock = FakeClock()
        recorder = EventRecorder(await server.client(), "controller", clock)
        await write(recorder)
        clock.advance(899)
        await write(recorder)
        assert len(written(server)) == 1
        clock.advance(2)
        await write(recorder)
        assert len(written(server)) == 2
        assert recorder.deduplicated == 1


async def test_another_note_or_reason_is_another_event() -> None:
    async with FakeApiServer() as server:
        recorder = EventRecorder(await server.client(), "controller", FakeClock())
        await write(recorder)
        await write(recorder, note="moved 4 GiB")
        await write(recorder, reason="Refused")
        assert len(written(server)) == 3


async def test_a_server_that_refuses_costs_a_count_and_no_error_and_is_tried_again() -> None:
    async with FakeApiServer() as server:
        recorder = EventRecorder(await server.client(), "controller", FakeClock())
        server.intercept = lambda _request: Refused(403, "Forbidden", "no")
        await write(recorder)
        assert recorder.dropped == 1
        server.intercept = None
        await write(recorder)
        assert len(written(server)) == 1


@pytest.mark.parametrize("length", [1023, 1024, 1025, 3000])
def test_a_note_is_cut_between_characters(length: int) -> None:
    text = ("é" * length)[:length]
    short = cut(text, 1024)
    assert len(short.encode()) <= 1024
    assert short == text or short.endswith("…")
    assert text.startswith(short.removesuffix("…"))
