"""Tar streams between two agents over mutual TLS: what a frozen source is made of besides pages.

Owns: the sending client, the receiving pipe, the manifest of an attempt. Never does: unpack into
a container (`target`), or send without the peer proving to be an agent.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import io
import json
import os
import ssl
import tarfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any, TypeVar

import aiohttp
from aiohttp import StreamReader

from podferry.agent import metrics
from podferry.agent.errors import AgentError
from podferry.wire import agent_api, names

T = TypeVar("T")
_CHUNK = 1 << 20
EXPECT = "expect"
"""Name of the `images` stream that comes before the freeze: {"bytes", "fileBytes"}."""
MANIFEST = "manifest"
"""Name of the `images` stream that is sent last: one JSON file with every name and size."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One stream that the peer acknowledged."""

    kind: str
    name: str
    wire_bytes: int
    seconds: float


class Peer:
    """The agent of the other node; one connection is kept for all streams that follow."""

    def __init__(self, address: str, tls: ssl.SSLContext, *, port: int = names.AGENT_PORT) -> None:
        host = f"[{address}]" if ":" in address else address
        self._base = f"https://{host}:{port}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=120),
        )

    async def __aenter__(self) -> Peer:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._session.close()

    async def send(
        self,
        key: tuple[str, int],
        kind: str,
        name: str,
        write: Callable[[IO[bytes]], object],
    ) -> Sent:
        """PUT one tar stream that `write` produces in a thread.

        Raises:
            AgentError: the peer refused or the connection broke; ArchiveError of `write`.
        """
        began = time.monotonic()
        counted = 0
        reader, writer = _pipe()
        producer = asyncio.create_task(asyncio.to_thread(_produce, writer, write))

        async def chunks() -> AsyncIterator[bytes]:
            nonlocal counted
            while chunk := await asyncio.to_thread(os.read, reader, _CHUNK):
                counted += len(chunk)
                yield chunk
            await producer  # a broken producer must break the request, not end it early

        url = self._base + agent_api.files(*key, kind, name)
        try:
            await self._put(url, chunks())
        finally:
            os.close(reader)  # a producer that still writes gets EPIPE and ends
            await asyncio.wait([producer])
            if not producer.cancelled():
                producer.exception()
        metrics.transferred.labels(kind, "out").inc(counted)
        return Sent(kind, name, counted, time.monotonic() - began)

    async def send_expected(self, key: tuple[str, int], size: int, file_bytes: int) -> Sent:
        """Tell the target what will come; it has room for it when this returns."""
        return await self._send_json(key, EXPECT, {"bytes": size, "fileBytes": file_bytes})

    async def send_manifest(self, key: tuple[str, int], manifest: Mapping[str, Any]) -> Sent:
        """Tell the target that everything was sent, with names and sizes."""
        return await self._send_json(key, MANIFEST, manifest)

    async def _send_json(self, key: tuple[str, int], name: str, value: Mapping[str, Any]) -> Sent:
        def write(out: IO[bytes]) -> None:
            text = json.dumps(value).encode()
            with tarfile.open(fileobj=out, mode="w|") as tar:
                info = tarfile.TarInfo(f"{name}.json")
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text))

        return await self.send(key, "images", name, write)

    async def _put(self, url: str, body: AsyncIterator[bytes]) -> None:
        try:
            answer = await self._session.put(url, data=body, server_hostname=names.AGENT_IDENTITY)
            async with answer:
                if answer.status != 200:
                    raise _refusal(url, answer.status, await answer.text())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise AgentError(
                "TransferFailed",
                f"sending to {url} failed: {type(error).__name__}: {error}; check that the target"
                f" node's agent runs and that TCP port {names.AGENT_PORT} is open between nodes",
            ) from error


def _refusal(url: str, status: int, text: str) -> AgentError:
    """The peer's own reason and words where it failed (500); else that it refused."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        said = json.loads(text)
        if status == 500:
            return AgentError(str(said["reason"]), str(said["message"]))
    return AgentError("TransferRefused", f"{url} answered {status}: {text[:500]}")


async def receive(content: StreamReader, kind: str, read: Callable[[IO[bytes]], T]) -> T:
    """Feed a request body to `read`, which runs in a thread on a file of the bytes."""
    reader, writer = _pipe()
    consumer = asyncio.create_task(asyncio.to_thread(_consume, reader, read))
    try:
        with contextlib.suppress(BrokenPipeError):  # the consumer's own error says why
            async for chunk in content.iter_chunked(_CHUNK):
                metrics.transferred.labels(kind, "in").inc(len(chunk))
                await asyncio.to_thread(_write_all, writer, chunk)
    finally:
        os.close(writer)
    return await consumer


def _pipe() -> tuple[int, int]:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    with contextlib.suppress(OSError):  # the pipe quota is used up: the default is only slower
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _CHUNK)
    return reader, writer


def _produce(writer: int, write: Callable[[IO[bytes]], object]) -> None:
    with os.fdopen(writer, "wb", buffering=_CHUNK) as out:
        write(out)


def _consume(reader: int, read: Callable[[IO[bytes]], T]) -> T:
    with os.fdopen(reader, "rb", buffering=_CHUNK) as source:
        result = read(source)
        while source.read(_CHUNK):  # the padding after the end of a tar archive
            pass
        return result


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
