"""Orders over real mutual TLS: who is spoken to, what errors become, connections that stay."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from podferry.controller.runtime import pki
from podferry.controller.runtime.agent_client import AgentClient, AgentRefused, AgentUnreachable
from podferry.wire import agent_api
from podferry.wire.stages import Observed, Order, Progress, Role

NOW = datetime.now(UTC)
ORDER = Order("mig", 1, Role.SOURCE, "Frozen", params={"pod": "web"})
ANSWER = Observed("mig", 1, Role.SOURCE, "Frozen", "Frozen", Progress.REACHED)


@dataclass
class Authority:
    folder: Path
    authority: pki.Authority = field(default_factory=lambda: pki.make_authority(NOW))

    def files(self, name: str, authority: pki.Authority | None = None) -> tuple[Path, Path, Path]:
        bundle = pki.issue(authority or self.authority, (name,), NOW)
        paths = tuple(self.folder / f"{name}.{kind}" for kind in ("ca", "crt", "key"))
        for path, data in zip(paths, (bundle.ca, bundle.cert, bundle.key), strict=True):
            path.write_bytes(data)
        return paths[0], paths[1], paths[2]

    def client(self, port: int, authority: pki.Authority | None = None) -> AgentClient:
        ca, cert, key = self.files("controller.podferry.dev", authority)
        (self.folder / "trust").write_bytes(self.authority.cert)
        return AgentClient(
            ca_file=self.folder / "trust" if authority else ca,
            cert_file=cert,
            key_file=key,
            port=port,
        )


@dataclass
class FakeAgent:
    """Serves what `answer` says; keeps the connections it saw."""

    port: int = 0
    answer: Callable[[web.Request], Awaitable[web.Response]] | None = None
    peers: set[object] = field(default_factory=set)
    seen: list[tuple[str, str, object]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        self.peers.add(request.transport.get_extra_info("peername"))
        body = await request.json() if request.can_read_body else None
        self.seen.append((request.method, str(request.rel_url), body))
        if self.answer is not None:
            return await self.answer(request)
        return web.json_response(ANSWER.to_dict())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def name() -> str:
    return "agent.podferry.dev"


@pytest.fixture
async def agent(authority: Authority, name: str) -> AsyncIterator[FakeAgent]:
    fake = FakeAgent()
    ca, cert, key = authority.files(name)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca))
    context.load_cert_chain(cert, key)
    context.verify_mode = ssl.CERT_REQUIRED
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", fake.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    fake.port = runner.addresses[0][1]
    yield fake
    await runner.cleanup()


@pytest.fixture
async def client(authority: Authority, agent: FakeAgent) -> AsyncIterator[AgentClient]:
    client = authority.client(agent.port)
    yield client
    await client.close()


async def test_an_order_is_put_with_its_wait_and_answered(
    client: AgentClient, agent: FakeAgent
) -> None:
    assert await client.order("127.0.0.1", ORDER, wait_seconds=5) == ANSWER
    assert agent.seen == [("PUT", "/v1/attempts/mig/1/source?wait=5", ORDER.to_dict())]


async def test_all_orders_go_over_one_connection(client: AgentClient, agent: FakeAgent) -> None:
    for _ in range(3):
        await client.order("127.0.0.1", ORDER, wait_seconds=1)
    assert len(agent.peers) == 1


async def test_an_attempt_that_the_agent_does_not_know_is_no_error(
    client: AgentClient, agent: FakeAgent
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"reason": "NotFound", "message": "no"}, status=404)

    agent.answer = answer
    assert await client.observe("127.0.0.1", "mig", 1, "source") is None


async def test_a_refusal_keeps_the_agent_s_reason(client: AgentClient, agent: FakeAgent) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"reason": "Backward", "message": "is at Sealed"}, status=409)

    agent.answer = answer
    with pytest.raises(AgentRefused, match="409 is at Sealed") as refused:
        await client.order("127.0.0.1", ORDER, wait_seconds=1)
    assert (refused.value.status, refused.value.reason) == (409, "Backward")


async def test_an_answer_that_never_comes_is_given_up(
    client: AgentClient, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asyncio.Event()

    async def answer(_request: web.Request) -> web.Response:
        await ended.wait()
        return web.Response()

    monkeypatch.setattr("podferry.controller.runtime.agent_client.ANSWER_SECONDS", 0.1)
    agent.answer = answer
    with pytest.raises(AgentUnreachable, match=r"no answer to PUT .* within 0.1 s"):
        await client.order("127.0.0.1", ORDER, wait_seconds=0)
    ended.set()


async def test_an_answer_that_is_no_observation_is_refused(
    client: AgentClient, agent: FakeAgent
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"stage": "Frozen"})

    agent.answer = answer
    with pytest.raises(AgentRefused, match="not an observation"):
        await client.order("127.0.0.1", ORDER, wait_seconds=1)


async def test_moments_of_an_agent_whose_clock_is_off_arrive_by_our_clock(
    client: AgentClient, agent: FakeAgent
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        late = time.time() + 3600
        facts = {"frozenAt": late, "resumedAt": late}
        body = replace(ANSWER, facts=facts).to_dict()
        return web.json_response(body, headers={agent_api.TIME_HEADER: f"{late:.6f}"})

    agent.answer = answer
    before = time.time()
    observed = await client.observe("127.0.0.1", "mig", 1, "source")
    assert observed is not None
    # Between question and answer, whatever the machine was busy with meanwhile.
    for name in ("frozenAt", "resumedAt"):
        assert before - 1800 < observed.facts[name] < time.time() + 1800


@pytest.mark.parametrize("name", ["controller.podferry.dev"])
async def test_a_server_that_is_not_an_agent_gets_no_order(
    client: AgentClient, agent: FakeAgent
) -> None:
    with pytest.raises(AgentUnreachable, match="mismatch"):
        await client.order("127.0.0.1", ORDER, wait_seconds=1)
    assert agent.seen == []


async def test_a_client_of_another_authority_is_not_served(
    authority: Authority, agent: FakeAgent
) -> None:
    stranger = authority.client(agent.port, pki.make_authority(NOW))
    with pytest.raises(AgentUnreachable):
        await stranger.order("127.0.0.1", ORDER, wait_seconds=1)
    assert agent.seen == []
    await stranger.close()


async def test_both_agents_of_one_attempt_are_told_one_key_that_no_other_attempt_has(
    client: AgentClient, agent: FakeAgent
) -> None:
    keys: list[str] = []

    async def note(request: web.Request) -> web.Response:
        keys.append(request.headers[agent_api.SEAL])
        return web.json_response(ANSWER.to_dict())

    agent.answer = note
    target = replace(ORDER, role=Role.TARGET, stage="Prepared")
    for order in (ORDER, target, replace(ORDER, attempt=2), replace(ORDER, migration="other")):
        await client.order("127.0.0.1", order, wait_seconds=1)
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
    assert all(len(bytes.fromhex(key)) == 32 for key in keys)
