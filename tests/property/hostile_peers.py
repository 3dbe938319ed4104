"""Nonsense for what talks to others: the agent's HTTP routes, the page sender, the wrapper's files.

The real programs, with real TLS on this machine's own addresses; used like `hostile`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.client
import json
import random
import socket
import ssl
import tempfile
import threading
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from aiohttp import web

from podferry.agent import server, tls, uploads
from podferry.agent.engine import Engine, Side
from podferry.agent.store import Store
from podferry.runtime_wrapper import page_sender, wrapper
from podferry.wire import names
from podferry.wire.stages import Order, Role
from tests.fakes.certificates import Authority
from tests.property import hostile

UID = "8f14e45f-ceea-467f-a8f2-0123456789ab"
IDENTITIES = (names.AGENT_IDENTITY, names.CONTROLLER_IDENTITY, "stranger.dev")
SEGMENTS = ["v1", "attempts", UID, "1", "2", "source", "target", "files", "images", "rootfs"]
SEGMENTS += ["volume", "shm", "manifest", "expect", "x", "", ".", "..", "%2e%2e", "%00", "%2f"]
SEGMENTS += ["9" * 400, "-1", "a" * 9000, "node", "probe", "\xe9"]


class _Node:
    """Reaches every stage at once and knows nothing."""

    draining = False

    def build(self) -> dict[str, Any]:
        return {"agentVersion": "0", "protocol": 1, "protocolOldest": 1, "draining": False}

    async def reach(self, side: Side, stage: str, previous: asyncio.Task[None] | None) -> None:
        for name in ("images", "streams"):
            (Path(side.ram) / name).mkdir(parents=True, exist_ok=True)

    async def live_facts(self, side: Side) -> dict[str, Any]:
        return {}

    async def probe(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True}

    async def node(self) -> dict[str, Any]:
        return {"node": "n"}

    def remember_seal(self, order: Order, key: str) -> None:
        return None

    def upload(self, side: Side, kind: str, name: str) -> Callable[[IO[bytes]], object]:
        return uploads.reader(side.ram, kind, name)


class _Agent:
    """The real application behind TLS, in a thread of its own, until this process ends."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.state = Path(self.folder.name, "state")
        (Path(self.folder.name) / "kept").write_text("kept")
        authority = Authority()
        self.contexts = [self._client(authority, name) for name in IDENTITIES]
        self.identity = tls.Identity.load(
            authority.folder(Path(self.folder.name, "server"), IDENTITIES[0])
        )
        self.port, started = 0, threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True).start()
        assert started.wait(20)

    def _client(self, authority: Authority, name: str) -> ssl.SSLContext:
        folder = authority.folder(Path(self.folder.name, name), name)
        context = ssl.create_default_context(cafile=f"{folder}/ca.crt")
        context.check_hostname = False
        context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
        return context

    async def _serve(self, started: threading.Event) -> None:
        node = _Node()
        engine = Engine(Store(str(self.state)), {Role.SOURCE: node, Role.TARGET: node})
        runner = web.AppRunner(server.application(engine, node), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self.identity.server).start()
        self.port = runner.addresses[0][1]
        started.set()
        await asyncio.Event().wait()

    def ask(self, rng: random.Random, who: int) -> tuple[int, bytes] | None:
        """One request; None where the connection was closed without an answer."""
        line = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=self.contexts[who], timeout=20
        )
        with contextlib.closing(line):
            try:
                line.putrequest(rng.choice(["PUT", "PUT", "PUT", "GET", "POST", "DELETE"]),
                                _path(rng), skip_accept_encoding=True)  # fmt: skip
                body = _body(rng)
                size = rng.choice([len(body), len(body), len(body), max(0, len(body) - 1)])
                line.putheader("Content-Length", str(size))
                line.putheader("Content-Type", rng.choice(["application/json", "x", "text/;;"]))
                line.endheaders(body)
                answer = line.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException, ValueError):
                return None  # http.client itself refuses to send some paths


def _path(rng: random.Random) -> str:
    if rng.random() < 0.3:
        words = [rng.choice(SEGMENTS) for _ in range(rng.randrange(9))]
    else:
        words = [
            "v1",
            "attempts",
            UID,
            rng.choice(["1", "1", "1", "2", "x", "-1", "9" * 30]),
            "target",
        ]
        if rng.random() < 0.5:
            words[4:] = ["files", rng.choice(SEGMENTS[8:13]), rng.choice(SEGMENTS)]
        if rng.random() < 0.2:
            words[rng.randrange(len(words))] = rng.choice(SEGMENTS)
    query = rng.choice(["", "", "?wait=0", "?wait=nan", "?wait=1e999", "?wait=x&wait=", "?" * 50])
    return "/" + "/".join(urllib.parse.quote(word, safe="%") for word in words) + query


def _body(rng: random.Random) -> bytes:
    kind = rng.randrange(4)
    if kind == 0:
        return hostile.tar_bytes(rng)
    raw: Any = hostile.value(rng)
    if kind > 1:
        raw = {"migration": UID, "attempt": 1, "role": "target", "stage": "Prepared", "params": {}}
        for _ in range(rng.randrange(2)):
            raw[rng.choice(list(raw))] = hostile.value(rng)
    return hostile.damaged(rng, json.dumps(raw).encode())


@functools.cache
def _agent() -> _Agent:
    return _Agent()


def routes(rng: random.Random) -> None:
    """Every answer is declared, a stranger gets nothing, and nothing is written elsewhere."""
    agent, who = _agent(), rng.randrange(len(IDENTITIES))
    found = agent.ask(rng, who)
    base = Path(agent.folder.name)
    assert sorted(one.name for one in base.iterdir()) == sorted(
        ["kept", "server", *IDENTITIES, *(["state"] if agent.state.exists() else [])]
    )
    if found is None:
        return
    status, body = found
    assert status in (200, 400, 403, 404, 405, 409, 413, 500), (status, body[:200])
    if who == 2:
        assert status in (400, 403, 404, 405), (status, body[:200])
    if status == 500:  # what a stage or stream says of its own failure, never a bug
        assert json.loads(body)["reason"] != "Internal", body[:300]


@functools.cache
def _pair() -> tuple[str, ssl.SSLContext]:
    folder = tempfile.mkdtemp()
    own = Authority().folder(Path(folder, "tls"), names.AGENT_IDENTITY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{own}/tls.crt", f"{own}/tls.key")
    return own, context


def _target(rng: random.Random, listener: socket.socket, said: bytes) -> None:
    """A target that is nonsense before TLS, or answers what it likes and ends as it likes."""
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError, ValueError):
        connection.settimeout(10)
        if rng.random() < 0.2:
            connection.sendall(rng.randbytes(rng.randrange(1, 600)))
            return
        stream = _pair()[1].wrap_socket(connection, server_side=True)
        for index in range(0, len(said), 5000):
            stream.sendall(said[index : index + 5000])
        if rng.random() < 0.5:
            stream.unwrap()
        elif rng.random() < 0.5:
            while stream.recv(1 << 16):
                pass


def sender(rng: random.Random) -> None:
    """What a target says reaches criu as it is or not at all; only OSError comes out."""
    said = rng.randbytes(rng.choice([0, 1, 4, 5, 4096, 4097, 60_000]))
    memory = rng.randbytes(rng.choice([0, 1, 30_000]))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = threading.Thread(target=_target, args=(rng, listener, said), daemon=True)
        peer.start()
        ours, criu = socket.socketpair()
        with ours, criu, contextlib.suppress(OSError):
            ours.settimeout(5)
            context = page_sender.client_context(_pair()[0])
            port = listener.getsockname()[1]
            stream = page_sender.connect("127.0.0.1", port, context, names.AGENT_IDENTITY)
            with stream:
                criu.sendall(memory)
                criu.shutdown(socket.SHUT_WR)
                assert page_sender.carry(ours, stream) == len(memory)
                ours.shutdown(socket.SHUT_WR)
                heard = b"".join(iter(lambda: criu.recv(1 << 16), b""))
                assert said.startswith(heard)
        peer.join(20)


class _Plain(Exception):
    """The wrapper became runc: a plain create."""


def _wrapper_note(rng: random.Random, folder: Path, name: str, good: dict[str, Any]) -> Any:
    """Write a file of an attempt: good, nonsense, damaged, or none. Returns what was meant."""
    kind = rng.randrange(5)
    if kind == 0:
        return None
    meant = good if kind < 3 else hostile.value(rng)
    if kind == 2:
        meant = {**good, rng.choice(list(good)): hostile.value(rng)}
    data = json.dumps(meant).encode()
    (folder / name).write_bytes(hostile.damaged(rng, data) if kind == 4 else data)
    return meant


def create(rng: random.Random) -> None:
    """A create with a restore annotation is plain only for the very pod that was resumed here."""
    with hostile.guarded() as folder:
        attempt, pod = f"{UID}.1", "pod-1"
        target = folder / "attempts" / attempt / "target"
        target.mkdir(parents=True)
        notes: Any = {
            "io.kubernetes.cri.container-type": "container",
            "io.kubernetes.cri.sandbox-uid": pod,
            wrapper.ANNOTATION_RESTORE: rng.choice([attempt, attempt, attempt + "x", "..", "../x"]),
            wrapper.ANNOTATION_RESTORE_ROLE: rng.choice(
                ["replacement", "rehearsal", "final", ".."]
            ),
        }
        if rng.random() < 0.3:
            notes[rng.choice(list(notes))] = hostile.value(rng)
        bundle: dict[str, Any] = {"annotations": notes, "linux": {"cgroupsPath": "/x"}}
        if rng.random() < 0.2:
            bundle[rng.choice(list(bundle))] = hostile.value(rng)
        (folder / "config.json").write_text(json.dumps(bundle))
        asked = bundle["annotations"] if isinstance(bundle["annotations"], dict) else {}
        resumed = _wrapper_note(rng, target, "RESUMED", {"podUID": rng.choice([pod, "other"])})
        _wrapper_note(rng, target, "RESUMING", {"podUID": rng.choice([pod, "other"])})
        claim = {"containerID": "c0", "bootID": wrapper.boot_id(), "cgroup": ["/nowhere", False]}
        _wrapper_note(rng, target, "claim-replacement.json", claim)
        plan = {"action": "restore", "roles": ["replacement"], "imagePath": str(target),
                "workPath": str(target), "criuConfig": f"{target}/criu.conf",
                "containerID": "c1"}  # fmt: skip
        _wrapper_note(rng, target, "restore.json", plan)
        (target / "criu.conf").write_text("x")
        try:
            code = _run(rng, folder)
        except _Plain:
            kind = asked.get("io.kubernetes.cri.container-type")
            if kind == "container" and asked.get(wrapper.ANNOTATION_RESTORE):
                assert isinstance(resumed, dict)
                assert resumed.get("podUID") == asked["io.kubernetes.cri.sandbox-uid"] != ""
        else:
            assert code == 1, code  # every restore fails here, as runc does


def _run(rng: random.Random, folder: Path) -> int:
    """The wrapper's main with a runc that fails and nothing that reaches outside the folder."""

    def plain(_argv: list[str]) -> int:
        raise _Plain

    stubs: dict[str, Any] = {
        "plain": plain,
        "STATE_DIR": str(folder),
        "RUN_DIR": f"{folder}/run",
        "CREATE_HOLD_SECONDS": -1,
        "guard": lambda _group: lambda: None,
        "kill_group": lambda _group: rng.random() < 0.9,
        "run_child": lambda _command: 1,
        "destroy": lambda _call: None,
        "say": lambda _call, _message: None,
    }
    kept = {name: getattr(wrapper, name) for name in stubs}
    try:
        for name, stub in stubs.items():
            setattr(wrapper, name, stub)
        return int(wrapper.main(["--root", "/r", "create", "--bundle", str(folder), "c1"]))
    finally:
        for name, old in kept.items():
            setattr(wrapper, name, old)


TARGETS: dict[str, Callable[[random.Random], None]] = {
    "agent HTTP routes": routes,
    "page_sender": sender,
    "wrapper create": create,
}
