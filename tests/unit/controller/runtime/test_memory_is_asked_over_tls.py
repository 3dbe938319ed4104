"""A report of memory over real mutual TLS: its query, its bounds, one connection for all polls."""

from __future__ import annotations

import asyncio
import json
import zlib
from asyncio import sslproto
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from podferry.controller.runtime import agent_client
from podferry.controller.runtime.agent_client import (
    NONSENSE,
    AgentClient,
    AgentRefused,
    AgentUnreachable,
)
from podferry.wire.memory import Asked, PodMemory, Report
from tests.unit.controller.runtime.test_agent_client import (
    FakeAgent,
    agent,
    authority,
    client,
    name,
)

__all__ = ["agent", "authority", "client", "name"]
REPORT = Report(
    node="a", boot_id="boot", seq=7, started=1.0, age=0.2, interval=1.0, capacity=100.0,
    available=50.0, eviction=5.0, eviction_source="default", urgent=False,
    pods=(PodMemory("uid", 10.0, 9.0),),
)  # fmt: skip


def answering(body: bytes, **more: Any) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json", **more)

    return answer


def told(**fields: Any) -> bytes:
    return json.dumps({**REPORT.to_dict(), **fields}).encode()


async def test_a_report_is_asked_for_with_all_that_matters(
    client: AgentClient, agent: FakeAgent
) -> None:
    agent.answer = answering(told())
    asked = Asked(since=6, wait=15, soft=40, horizon=300, history=120)
    assert await client.memory("127.0.0.1", asked) == REPORT
    query = "/v1/memory?since=6&wait=15&soft=40&horizon=300&history=120"
    assert [(method, url) for method, url, _ in agent.seen] == [("GET", query)]


async def test_all_polls_of_a_node_go_over_one_connection(
    client: AgentClient, agent: FakeAgent
) -> None:
    agent.answer = answering(told())
    for since in range(20):
        await client.memory("127.0.0.1", Asked(since=since))
    assert len(agent.peers) == 1


async def test_an_order_does_not_wait_for_a_poll_that_is_under_way(
    client: AgentClient, agent: FakeAgent
) -> None:
    held, arrived = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/v1/memory":
            arrived.set()
            await held.wait()
            return web.Response(body=told())
        return web.json_response({})

    agent.answer = answer
    poll = asyncio.create_task(client.memory("127.0.0.1", Asked(wait=15)))
    await arrived.wait()
    assert await client.node("127.0.0.1") == {}
    held.set()
    assert await poll == REPORT


async def test_the_wait_that_was_asked_for_is_not_silence(
    client: AgentClient, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_client, "ANSWER_SECONDS", 0.1)
    never = asyncio.Event()

    async def answer(_request: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    agent.answer = answer
    with pytest.raises(AgentUnreachable, match=r"no answer to GET /v1/memory within 0\.3 s"):
        await client.memory("127.0.0.1", Asked(wait=0.2))
    never.set()


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"seq": "x"}, "seq"), ({"capacity": float("nan")}, "capacity"), ({"pods": {}}, "pods"),
     ({"samples": [[1, 1], [2, 2]]}, "ages of samples"), ({"available": 1e300}, "available")],
)  # fmt: skip
async def test_a_report_of_the_wrong_shape_is_nonsense_and_names_the_field(
    client: AgentClient, agent: FakeAgent, fields: dict[str, Any], why: str
) -> None:
    agent.answer = answering(told(**fields))
    with pytest.raises(AgentRefused, match=why) as refused:
        await client.memory("127.0.0.1", Asked())
    assert refused.value.reason == NONSENSE


async def test_an_agent_of_an_earlier_release_is_told_as_such(
    client: AgentClient, agent: FakeAgent
) -> None:
    agent.answer = answering(b'{"reason": "NotFound", "message": "no such path"}', status=404)
    with pytest.raises(AgentRefused, match="404 no such path"):
        await client.memory("127.0.0.1", Asked())


async def test_of_a_huge_answer_no_more_than_the_limit_is_read(
    client: AgentClient, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_client, "MOST_BYTES", 1 << 16)
    written: list[int] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10_000):
            await response.write(b" " * (1 << 16))
            written.append(1 << 16)
        return response

    agent.answer = answer  # type: ignore[assignment]
    with pytest.raises(AgentUnreachable, match="an answer of more than 65536 bytes"):
        await client.memory("127.0.0.1", Asked(wait=30))
    assert sum(written) < 100 << 20


async def test_a_compressed_answer_is_not_blown_up(client: AgentClient, agent: FakeAgent) -> None:
    bomb = zlib.compress(told() + b" " * (64 << 20))
    agent.answer = answering(bomb, headers={"Content-Encoding": "deflate"})
    with pytest.raises(AgentUnreachable, match="codec can't decode"):
        await client.memory("127.0.0.1", Asked())


async def test_a_connection_to_an_agent_keeps_a_small_buffer_and_reads_a_large_report(
    client: AgentClient, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sslproto.SSLProtocol, "max_size", sslproto.SSLProtocol.max_size)
    agent_client.use_small_read_buffers()
    pods = tuple(
        replace(REPORT.pods[0], uid=str(n), samples=tuple((900.0 - s, 1e9) for s in range(900)))
        for n in range(60)
    )
    large = replace(REPORT, pods=pods)
    agent.answer = answering(json.dumps(large.to_dict()).encode())
    assert await client.memory("127.0.0.1", Asked()) == large
    (connection,) = held(client)
    # Private to asyncio: if a release of Python renames it, connections are large again.
    assert len(connection._ssl_protocol._ssl_buffer) == agent_client.READ_BUFFER_BYTES


def held(client: AgentClient) -> list[Any]:
    """The transports of the connections that are kept alive."""
    connector: Any = client._open().connector
    return [kept[0].transport for pool in connector._conns.values() for kept in pool]


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 200_000, b'{"seq": 1' + b"0" * 9000 + b"}"])
async def test_what_is_no_json_is_an_agent_that_does_not_answer(
    client: AgentClient, agent: FakeAgent, body: bytes
) -> None:
    agent.answer = answering(body)
    with pytest.raises(AgentUnreachable, match="look at the agent's pod"):
        await client.memory("127.0.0.1", Asked())


async def test_what_is_no_object_is_refused(client: AgentClient, agent: FakeAgent) -> None:
    agent.answer = answering(b"[]")
    with pytest.raises(AgentRefused, match="not an object"):
        await client.memory("127.0.0.1", Asked())
