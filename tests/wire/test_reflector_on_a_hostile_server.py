"""Every row of the fault table that the public Python clients failed, with request counts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from podferry.api.clock import SystemClock
from podferry.kube import errors, paths
from podferry.kube.reflector import Reflector
from tests.wire.hostile import HostileServer, WatchBehaviour, pod, send, status, stream

OBSERVED_SECONDS = 1.5


@asynccontextmanager
async def running(
    on_watch: WatchBehaviour, **settings: Any
) -> AsyncIterator[tuple[HostileServer, Reflector, list[str]]]:
    changes: list[str] = []
    async with HostileServer(on_watch) as server:
        reflector = Reflector(
            server.client,
            paths.pods(None),
            clock=SystemClock(monotonic=asyncio.get_running_loop().time),
            rng=random.Random(7),
            on_change=changes.append,
            **settings,
        )
        task = asyncio.create_task(reflector.run())
        try:
            await asyncio.wait_for(reflector.synced.wait(), 5)
            yield server, reflector, changes
            assert not task.done(), f"the reflector ended: {task.exception()!r}"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_an_empty_watch_that_ends_at_once_is_not_repeated_without_a_wait() -> None:
    async def ends(request: web.Request, _server: HostileServer) -> web.StreamResponse:
        return await stream(request)

    async with running(ends) as (server, reflector, _changes):
        await asyncio.sleep(OBSERVED_SECONDS)
        assert 1 <= len(server.watches) <= 8
        assert server.lists == 1
        assert reflector.restarts >= 1


async def test_a_503_is_left_alone_for_as_long_as_retry_after_says() -> None:
    async def busy(_request: web.Request, _server: HostileServer) -> web.StreamResponse:
        return web.json_response(
            status(503, "ServiceUnavailable"), status=503, headers={"Retry-After": "1"}
        )

    async with running(busy) as (server, reflector, _changes):
        await asyncio.sleep(OBSERVED_SECONDS)
        assert 1 <= len(server.watches) <= 2
        assert isinstance(reflector.last_error, errors.Unavailable)
        assert reflector.last_error.retry_after == 1.0


async def test_a_410_in_the_stream_lists_again_and_reports_only_the_difference() -> None:
    async def expired_once(request: web.Request, server: HostileServer) -> web.StreamResponse:
        response = await stream(request)
        if len(server.watches) == 1:
            server.items = [pod("b", 12)]
            server.version = 20
            await send(response, "ERROR", status(410, "Expired"))
            return response
        await server.end.wait()
        return response

    async with running(expired_once) as (server, reflector, changes):
        await until(lambda: len(server.watches) == 2)
        assert server.watches[1]["resourceVersion"] == "20"
        assert server.lists == 2
        assert reflector.relists == 1
        assert changes == ["ns/a", "ns/a", "ns/b"]  # came, went, and the other came
        assert [item["metadata"]["name"] for item in reflector.store.list()] == ["b"]


async def test_a_410_for_ever_lists_again_only_after_growing_waits() -> None:
    async def expired(request: web.Request, _server: HostileServer) -> web.StreamResponse:
        response = await stream(request)
        await send(response, "ERROR", status(410, "Expired"))
        return response

    async with running(expired) as (server, _reflector, changes):
        await asyncio.sleep(OBSERVED_SECONDS)
        assert 2 <= server.lists <= 9
        assert changes == ["ns/a"]  # the same version again is no change


async def test_a_410_as_the_answer_of_the_watch_lists_again() -> None:
    async def gone_once(request: web.Request, server: HostileServer) -> web.StreamResponse:
        if len(server.watches) == 1:
            return web.json_response(status(410, "Gone"), status=410)
        response = await stream(request)
        await server.end.wait()
        return response

    async with running(gone_once) as (server, _reflector, _changes):
        await until(lambda: len(server.watches) == 2)
        assert server.lists == 2


async def test_a_dropped_connection_resumes_from_the_last_version_without_a_list() -> None:
    async def drops(request: web.Request, server: HostileServer) -> web.StreamResponse:
        response = await stream(request)
        if len(server.watches) == 1:
            await send(response, "ADDED", pod("b", 15))
            await response.write(b'{"type": "ADD')
            assert request.transport is not None
            request.transport.close()
        else:
            await server.end.wait()
        return response

    async with running(drops) as (server, reflector, changes):
        await until(lambda: len(server.watches) == 2)
        assert server.watches[1]["resourceVersion"] == "15"
        assert server.lists == 1
        assert changes == ["ns/a", "ns/b"]
        assert isinstance(reflector.last_error, errors.ConnectionFailed)


async def test_a_500_in_the_stream_is_survived_with_backoff() -> None:
    async def fails(request: web.Request, _server: HostileServer) -> web.StreamResponse:
        response = await stream(request)
        await send(response, "ERROR", status(500, "InternalError"))
        return response

    async with running(fails) as (server, _reflector, _changes):
        await asyncio.sleep(OBSERVED_SECONDS)
        assert 2 <= len(server.watches) <= 9
        assert server.lists == 1


async def test_bookmarks_are_asked_for_and_move_the_version() -> None:
    async def marks(request: web.Request, server: HostileServer) -> web.StreamResponse:
        response = await stream(request)
        if len(server.watches) == 1:
            await send(response, "BOOKMARK", {"metadata": {"resourceVersion": "44"}})
        else:
            await server.end.wait()
        return response

    async with running(marks) as (server, _reflector, changes):
        await until(lambda: len(server.watches) == 2)
        assert server.watches[0]["allowWatchBookmarks"] == "true"
        assert server.watches[1]["resourceVersion"] == "44"
        assert changes == ["ns/a"]


async def test_a_server_without_bookmarks_is_followed_by_its_events() -> None:
    async def events_only(request: web.Request, server: HostileServer) -> web.StreamResponse:
        response = await stream(request)
        if len(server.watches) == 1:
            await send(response, "MODIFIED", pod("a", 11))
            await send(response, "DELETED", pod("a", 12))
        else:
            await server.end.wait()
        return response

    async with running(events_only) as (server, reflector, changes):
        await until(lambda: len(server.watches) == 2)
        assert server.watches[1]["resourceVersion"] == "12"
        assert changes == ["ns/a", "ns/a", "ns/a"]
        assert len(reflector.store) == 0


async def test_a_silent_stream_is_given_up_after_the_silence_limit() -> None:
    async def silent(request: web.Request, server: HostileServer) -> web.StreamResponse:
        response = await stream(request)
        await server.end.wait()
        return response

    async with running(silent, silence_seconds=0.2) as (server, reflector, _changes):
        await until(lambda: len(server.watches) >= 2)
        assert isinstance(reflector.last_error, errors.Timeout)
        assert server.lists == 1
        assert reflector.staleness_seconds() >= 0.2


async def test_nonsense_in_the_stream_is_survived_with_backoff() -> None:
    async def nonsense(request: web.Request, _server: HostileServer) -> web.StreamResponse:
        response = await stream(request)
        await response.write(b"<html>proxy error</html>\n")
        return response

    async with running(nonsense) as (server, reflector, _changes):
        await asyncio.sleep(0.8)
        assert 1 <= len(server.watches) <= 8
        assert isinstance(reflector.last_error, errors.ConnectionFailed)


async def test_events_without_the_fields_of_an_object_do_not_end_the_reflector() -> None:
    async def broken(request: web.Request, _server: HostileServer) -> web.StreamResponse:
        response = await stream(request)
        await send(response, "ADDED", {"metadata": {}})
        return response

    async with running(broken) as (server, _reflector, _changes):
        await until(lambda: len(server.watches) >= 2)


async def test_a_relist_on_request_happens_at_once_even_in_a_silent_watch() -> None:
    async def silent(request: web.Request, server: HostileServer) -> web.StreamResponse:
        response = await stream(request)
        await server.end.wait()
        return response

    async with running(silent) as (server, reflector, _changes):
        await until(lambda: len(server.watches) == 1)
        reflector.request_relist()
        await until(lambda: len(server.watches) == 2, seconds=1.0)
        assert server.lists == 2


async def test_an_object_larger_than_the_read_buffer_arrives_whole() -> None:
    big = pod("big", 11) | {"data": "x" * (5 * 2**20)}

    async def sends(request: web.Request, server: HostileServer) -> web.StreamResponse:
        response = await stream(request)
        await send(response, "ADDED", big)
        await server.end.wait()
        return response

    async with running(sends) as (_server, reflector, _changes):
        await until(lambda: reflector.store.get("ns/big") is not None)
        found = reflector.store.get("ns/big")
        assert found is not None
        assert len(found["data"]) == 5 * 2**20
