"""Mutual TLS and who may do what, over real sockets with certificates made for the test."""

from __future__ import annotations

import asyncio
import hashlib
import io
import ssl
import tarfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO, Any

import aiohttp
import pytest
from aiohttp import web

from podferry.agent import archive, outgoing, seal, server, tls, uploads
from podferry.agent.engine import Engine, Side
from podferry.agent.errors import AgentError, Refused
from podferry.agent.store import Store
from podferry.agent.transfer import Peer
from podferry.wire import agent_api, memory, names
from podferry.wire.stages import Order, Role, SourceStage, TargetStage, Verdict
from tests.fakes.certificates import Authority

UID = "8f14e45f-ceea-467f-a8f2-0123456789ab"


KEY, ATTEMPT = bytes(32), f"{UID}.1"
CORE = {"core-1.img": {"bytes": 4, "sha256": hashlib.sha256(b"core").hexdigest()}}


def sealed(images: dict[str, Any], streams: dict[str, str]) -> dict[str, Any]:
    return seal.signed(KEY, {"attempt": ATTEMPT, "images": images, "streams": streams})


class Nothing:
    """A handler that reaches every stage at once."""

    async def reach(self, side: Side, stage: str, previous: asyncio.Task[None] | None) -> None:
        for name in ("images", "streams"):
            (Path(side.ram) / name).mkdir(parents=True, exist_ok=True)

    async def live_facts(self, side: Side) -> dict[str, Any]:
        return {}


class Services:
    def __init__(self) -> None:
        self.seals: dict[str, str] = {}
        self.draining = False

    def build(self) -> dict[str, Any]:
        return {"protocol": 7, "draining": self.draining}

    async def probe(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, **body}

    async def node(self) -> dict[str, Any]:
        return {"node": "node-a"}

    async def memory(self, asked: memory.Asked) -> memory.Report:
        return memory.Report(
            "node-a", "b", 7, 1.0, 0.1, 1.0, 1e9, asked.horizon, 1e8, "default", urgent=False
        )

    def remember_seal(self, order: Order, key: str) -> None:
        self.seals[f"{order.migration}.{order.attempt}"] = key

    def upload(self, side: Side, kind: str, name: str) -> Callable[[IO[bytes]], object]:
        if side.state.observed.stage != "Prepared":
            raise Refused("NotReceiving", "rehearsed")
        return uploads.reader(side.ram, kind, name)


class Agent:
    """A served agent and the certificates of its cluster."""

    def __init__(self, path: Path) -> None:
        self.path, self.authority = path, Authority()
        handler = Nothing()
        self.services = Services()
        self.engine = Engine(
            Store(str(path / "state")), {Role.SOURCE: handler, Role.TARGET: handler}
        )
        self.identity = tls.Identity.load(
            self.authority.folder(path / "server", names.AGENT_IDENTITY)
        )
        self.port = 0
        self.told = ""
        self.peers: list[Peer] = []

    def context(
        self, name: str, *, authority: Authority | None = None, hours: float = 1
    ) -> ssl.SSLContext:
        of = authority or self.authority
        folder = of.folder(self.path / f"client-{name}", name, hours=hours)
        context = ssl.create_default_context(cafile=str(self.path / "server" / "ca.crt"))
        context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
        return context

    def peer(self) -> Peer:
        peer = Peer("127.0.0.1", self.context(names.AGENT_IDENTITY), port=self.port)
        self.peers.append(peer)
        return peer

    async def ask(
        self, context: ssl.SSLContext, method: str, path: str, body: Any = None
    ) -> tuple[int, dict[str, Any]]:
        async with aiohttp.ClientSession() as session:
            answer = await session.request(
                method,
                f"https://127.0.0.1:{self.port}{path}",
                json=body,
                ssl=context,
                server_hostname=names.AGENT_IDENTITY,
            )
            self.told = answer.headers.get(agent_api.TIME_HEADER, "")
            return answer.status, await answer.json()


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    served = Agent(tmp_path)
    runner = web.AppRunner(server.application(served.engine, served.services))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=served.identity.server)
    await site.start()
    served.port = runner.addresses[0][1]
    yield served
    for peer in served.peers:
        await peer.__aexit__()
    await runner.cleanup()


def order(stage: str, role: Role = Role.TARGET, verdict: Verdict = Verdict.UNDECIDED) -> Order:
    return Order(UID, 1, role, stage, verdict)


PATH = agent_api.attempt(UID, 1, "target") + "?wait=5"


async def prepare(agent: Agent) -> None:
    controller = agent.context(names.CONTROLLER_IDENTITY)
    status, answer = await agent.ask(controller, "PUT", PATH, order("Prepared").to_dict())
    assert (status, answer["stage"]) == (200, "Prepared")


async def test_a_client_without_a_certificate_is_refused(agent: Agent) -> None:
    bare = ssl.create_default_context(cafile=str(agent.path / "server" / "ca.crt"))
    with pytest.raises(aiohttp.ClientError):
        await agent.ask(bare, "GET", agent_api.NODE)


async def test_a_certificate_of_another_authority_is_refused(agent: Agent) -> None:
    foreign = agent.context(names.CONTROLLER_IDENTITY, authority=Authority())
    with pytest.raises(aiohttp.ClientError):
        await agent.ask(foreign, "GET", agent_api.NODE)


@pytest.mark.parametrize("name", [names.CONTROLLER_IDENTITY, names.AGENT_IDENTITY])
async def test_an_expired_certificate_is_refused(agent: Agent, name: str) -> None:
    assert (await agent.ask(agent.context(name), "GET", "/"))[0] == 404
    with pytest.raises(aiohttp.ClientError):
        await agent.ask(agent.context(name, hours=-1), "GET", "/")


async def test_an_expired_agent_is_sent_nothing(agent: Agent) -> None:
    await prepare(agent)
    agent.authority.folder(agent.path / "server", names.AGENT_IDENTITY, hours=-1)
    assert agent.identity.refresh()
    with pytest.raises(AgentError, match="expired"):
        await agent.peer().send_manifest((UID, 1), {"images": {}, "streams": []})


async def test_a_plain_connection_gets_no_answer(agent: Agent) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"http://127.0.0.1:{agent.port}{agent_api.NODE}")


async def test_an_older_tls_is_refused(agent: Agent) -> None:
    old = agent.context(names.CONTROLLER_IDENTITY)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(aiohttp.ClientError):
        await agent.ask(old, "GET", agent_api.NODE)


async def test_a_certificate_with_another_name_is_forbidden(agent: Agent) -> None:
    status, answer = await agent.ask(agent.context("stranger.dev"), "GET", agent_api.NODE)
    assert (status, answer["reason"]) == (403, "UnknownIdentity")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", agent_api.NODE),
        ("GET", memory.MEMORY),
        ("POST", agent_api.PROBE),
        ("GET", PATH),
    ],
)
async def test_an_agent_may_not_read_or_probe(agent: Agent, method: str, path: str) -> None:
    status, _ = await agent.ask(agent.context(names.AGENT_IDENTITY), method, path, {})
    assert status == 403


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize(
    ("role", "stage"),
    [*((Role.SOURCE, stage) for stage in SourceStage), *((Role.TARGET, x) for x in TargetStage)],
)
async def test_an_agent_may_give_no_order_and_pass_on_no_verdict(
    agent: Agent, role: Role, stage: str, verdict: Verdict
) -> None:
    peer, path = agent.context(names.AGENT_IDENTITY), agent_api.attempt(UID, 1, role.value)
    status, answer = await agent.ask(peer, "PUT", path, order(stage, role, verdict).to_dict())
    assert (status, answer["reason"]) == (403, "Forbidden")
    assert agent.engine.highest(UID) == 0  # nothing was even noted


async def test_the_controller_is_told_of_memory_as_it_asked(agent: Agent) -> None:
    controller = agent.context(names.CONTROLLER_IDENTITY)
    status, answer = await agent.ask(controller, "GET", f"{memory.MEMORY}?horizon=42")
    assert (status, memory.Report.from_dict(answer).available) == (200, 42)
    status, answer = await agent.ask(controller, "GET", f"{memory.MEMORY}?soft=150")
    assert (status, answer["reason"]) == (400, "BadQuery")
    assert "soft='150'" in answer["message"]


async def test_the_controller_may_order_read_and_probe(agent: Agent) -> None:
    await prepare(agent)
    controller = agent.context(names.CONTROLLER_IDENTITY)
    assert (await agent.ask(controller, "GET", PATH))[1]["progress"] == "Reached"
    assert (await agent.ask(controller, "GET", agent_api.NODE))[1] == {"node": "node-a"}
    assert (await agent.ask(controller, "POST", agent_api.PROBE, {"container": "c"}))[0] == 200
    assert abs(float(agent.told) - time.time()) < 3600


async def test_every_answer_says_what_the_agent_speaks_and_whether_it_drains(
    agent: Agent,
) -> None:
    await prepare(agent)
    controller = agent.context(names.CONTROLLER_IDENTITY)
    facts = (await agent.ask(controller, "GET", PATH))[1]["facts"]
    assert (facts["protocol"], facts["draining"]) == (7, False)
    agent.services.draining = True
    again = (await agent.ask(controller, "PUT", PATH, order("Prepared").to_dict()))[1]
    assert again["facts"]["draining"] is True


async def test_a_draining_agent_is_asked_again_for_a_freeze(agent: Agent) -> None:
    controller, path = agent.context(names.CONTROLLER_IDENTITY), agent_api.attempt(UID, 1, "source")
    prepared = order("Prepared", Role.SOURCE).to_dict()
    assert (await agent.ask(controller, "PUT", f"{path}?wait=5", prepared))[0] == 200
    agent.services.draining = True
    freeze = order("Frozen", Role.SOURCE).to_dict()
    status, answer = await agent.ask(controller, "PUT", path, freeze)
    assert (status, answer["reason"]) == (503, "Draining")
    assert (await agent.ask(controller, "GET", path))[1]["wanted"] == "Prepared"
    agent.services.draining = False
    assert (await agent.ask(controller, "PUT", f"{path}?wait=5", freeze))[1]["stage"] == "Frozen"


async def test_the_controller_may_not_upload(agent: Agent) -> None:
    await prepare(agent)
    controller = agent.context(names.CONTROLLER_IDENTITY)
    path = agent_api.files(UID, 1, "images", "dump")
    assert (await agent.ask(controller, "PUT", path, {}))[0] == 403


@pytest.mark.parametrize(
    ("body", "path", "status"),
    [
        ({"role": "target"}, PATH, 400),
        ({**order("Prepared").to_dict(), "stage": "Sealed"}, PATH, 400),
        (order("Prepared").to_dict(), PATH.replace("/1/", "/2/"), 400),
        (order("Prepared").to_dict(), PATH.replace("wait=5", "wait=-1"), 400),
        (order("Rehearsed").to_dict(), PATH, 409),
        ([], PATH, 400),
    ],
)
async def test_a_bad_order_is_refused_with_its_reason(
    agent: Agent, body: Any, path: str, status: int
) -> None:
    controller = agent.context(names.CONTROLLER_IDENTITY)
    found, answer = await agent.ask(controller, "PUT", path, body)
    assert found == status
    assert answer["reason"]
    assert answer["message"]


async def test_an_unknown_attempt_is_not_found(agent: Agent) -> None:
    controller = agent.context(names.CONTROLLER_IDENTITY)
    assert (await agent.ask(controller, "GET", PATH))[0] == 404


async def test_images_and_folders_arrive_whole(agent: Agent, tmp_path: Path) -> None:
    await prepare(agent)
    upper = tmp_path / "upper"
    upper.mkdir()
    (upper / "file").write_bytes(b"x" * 3_000_000)
    peer = agent.peer()

    def images(out: IO[bytes]) -> None:
        with tarfile.open(fileobj=out, mode="w|") as tar:
            info = tarfile.TarInfo("core-1.img")
            info.size = 4
            tar.addfile(info, io.BytesIO(b"core"))

    hashes: dict[str, str] = {}
    pack = outgoing._folder_writer(str(upper), "rootfs/upper", hashes)
    await peer.send((UID, 1), "images", "dump", images)
    await peer.send((UID, 1), "rootfs", "upper", pack)
    await peer.send_manifest((UID, 1), sealed(CORE, hashes))
    folder = agent.engine.get(UID, 1, Role.TARGET).ram
    assert set(uploads.check_complete(folder, KEY, ATTEMPT)["streams"]) == {"rootfs/upper"}
    target = tmp_path / "target"
    target.mkdir()
    with open(uploads.stream_path(folder, "rootfs", "upper"), "rb") as stream:
        archive.unpack(stream, str(target))
    assert (target / "file").read_bytes() == b"x" * 3_000_000


async def test_a_producer_that_breaks_leaves_no_stream(agent: Agent) -> None:
    await prepare(agent)
    peer = agent.peer()

    def broken(out: IO[bytes]) -> None:
        out.write(b"x" * 2_000_000)
        raise archive.ArchiveError("device node")

    with pytest.raises((archive.ArchiveError, AgentError)):
        await peer.send((UID, 1), "rootfs", "upper", broken)
    folder = agent.engine.get(UID, 1, Role.TARGET).ram
    assert not Path(uploads.stream_path(folder, "rootfs", "upper")).exists()


async def test_a_hostile_image_stream_is_refused_by_the_target(agent: Agent) -> None:
    await prepare(agent)
    peer = agent.peer()

    def hostile(out: IO[bytes]) -> None:
        with tarfile.open(fileobj=out, mode="w|") as tar:
            tar.addfile(tarfile.TarInfo("../escaped.img"))

    with pytest.raises(AgentError, match="BadArchive"):
        await peer.send((UID, 1), "images", "dump", hostile)


async def test_a_missing_image_is_named(agent: Agent) -> None:
    await prepare(agent)
    peer = agent.peer()
    await peer.send_manifest((UID, 1), sealed(CORE, {}))
    with pytest.raises(AgentError, match=r"core-1\.img has 0 bytes"):
        uploads.check_complete(agent.engine.get(UID, 1, Role.TARGET).ram, KEY, ATTEMPT)


async def test_a_renewed_certificate_is_served_without_a_restart(agent: Agent) -> None:
    assert agent.identity.refresh() is False
    before = (agent.path / "server" / "tls.crt").read_bytes()
    agent.authority.folder(agent.path / "server", names.AGENT_IDENTITY)
    assert (agent.path / "server" / "tls.crt").read_bytes() != before
    assert agent.identity.refresh() is True
    assert (await agent.ask(agent.context(names.CONTROLLER_IDENTITY), "GET", "/v1/node"))[0] == 200


async def test_a_stream_that_is_under_way_outlives_the_certificate_that_it_began_with(
    agent: Agent,
) -> None:
    await prepare(agent)
    renewed = threading.Event()

    def images(out: IO[bytes]) -> None:
        with tarfile.open(fileobj=out, mode="w|") as tar:
            for name in ("core-1.img", "core-2.img"):
                info = tarfile.TarInfo(name)
                info.size = 8 << 20  # much of it is at the target before the first one ended
                tar.addfile(info, io.BytesIO(bytes(8 << 20)))
                assert renewed.wait(20)

    peer = agent.peer()
    sending = asyncio.create_task(peer.send((UID, 1), "images", "dump", images))
    folder = Path(agent.engine.get(UID, 1, Role.TARGET).ram, "images")
    async with asyncio.timeout(20):
        while not list(folder.with_suffix(".part").glob("*")):
            await asyncio.sleep(0.01)
    agent.authority.folder(agent.path / "server", names.AGENT_IDENTITY)
    assert agent.identity.refresh()
    renewed.set()
    await sending
    assert (folder / "core-2.img").stat().st_size == 8 << 20
