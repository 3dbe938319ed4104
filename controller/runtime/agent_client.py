"""Orders to agents and their answers, over mutual TLS on kept-alive connections.

Owns TLS, time limits and error translation. Never retries and never decides: a lost answer makes
the last observation older, and orders are idempotent, so the next reconcile asks again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
from asyncio import sslproto
from pathlib import Path
from typing import Any

import aiohttp

from podferry.api.clock import Clock, SystemClock
from podferry.api.errors import RetryableError, TerminalError
from podferry.api.reasons import Reason
from podferry.controller.runtime.agent_clocks import AgentClocks
from podferry.wire import agent_api, names
from podferry.wire.memory import MEMORY, Asked, BadReport, Report
from podferry.wire.stages import Observed, Order

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 3.0
"""What an agent may take beyond the wait that was asked for [s]."""
NONSENSE = "Nonsense"
"""Reason of an answer that cannot be what was asked for."""
MOST_BYTES = 4 * 2**20
"""A report of 110 pods with 15 minutes of samples each is some 2 MB."""
KEEP_ALIVE_SECONDS = 120.0
"""Longer than any pause between two steps of one move: no handshake inside a freeze [s]."""


READ_BUFFER_BYTES = 32 * 1024
"""Of each TLS connection; asyncio's own choice is 256 KiB, which it fills with zeros [bytes]."""


def use_small_read_buffers() -> None:
    """Make TLS connections of this process cheap to keep, from now on.

    Of 1,000 idle connections to agents, asyncio's read buffers alone take some 220 MiB of 305 MiB;
    polls cost the same with small ones. asyncio has no argument for it.
    """
    sslproto.SSLProtocol.max_size = READ_BUFFER_BYTES


class AgentUnreachable(RetryableError):
    """No answer came; whether the order arrived is unknown."""


class AgentRefused(TerminalError):
    """The agent answered with an error; `status` is the HTTP code."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.status = status


class AgentClient:
    """One session to all agents.

    Args:
        ca_file: PEM of the cluster's own authority.
        cert_file: our client certificate.
        key_file: its key.
        port: TCP port of the agents.
        clock: ours, by which the moments in answers are given; default: the machine's.
    """

    def __init__(
        self,
        *,
        ca_file: Path,
        cert_file: Path,
        key_file: Path,
        port: int = names.AGENT_PORT,
        clock: Clock | None = None,
    ) -> None:
        self._clock, self._clocks = clock or SystemClock(), AgentClocks()
        self._files = (cert_file, key_file)
        self._context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(ca_file))
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._context.load_cert_chain(cert_file, key_file)
        self._port = port
        self._session: aiohttp.ClientSession | None = None

    def reload(self) -> None:
        """Use the renewed certificate for connections made from now on."""
        self._context.load_cert_chain(*self._files)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def order(self, address: str, order: Order, *, wait_seconds: float) -> Observed:
        """Send an order and wait up to `wait_seconds` [s] for the stage to be reached.

        Raises:
            AgentUnreachable: no answer in time.
            AgentRefused: the agent refused it.
        """
        path = agent_api.attempt(order.migration, order.attempt, order.role.value)
        raw = await self._call(
            "PUT",
            address,
            path,
            body=order.to_dict(),
            params={"wait": f"{wait_seconds:g}"},
            limit=wait_seconds + ANSWER_SECONDS,
            headers={agent_api.SEAL: self._seal(order)},
        )
        return self._clocks.by_ours(address, _observed(address, raw))

    async def observe(
        self, address: str, migration: str, attempt: int, role: str
    ) -> Observed | None:
        """Ask for one side; None if the agent has never heard of it. Raises as `order`."""
        try:
            path = agent_api.attempt(migration, attempt, role)
            answer = _observed(address, await self._call("GET", address, path))
            return self._clocks.by_ours(address, answer)
        except AgentRefused as error:
            if error.status == 404:
                return None
            raise

    async def probe(self, address: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask for a fresh verdict on a container. Raises as `order`."""
        return await self._call("POST", address, agent_api.PROBE, body=body, limit=15.0)

    async def node(self, address: str) -> dict[str, Any]:
        """Ask for the facts of a node. Raises as `order`."""
        return await self._call("GET", address, agent_api.NODE)

    async def memory(self, address: str, asked: Asked) -> Report:
        """Ask for a report of the node's memory; waits as long as `asked` says. Raises as `order`.

        An answer of the wrong shape is AgentRefused with the reason NONSENSE.
        """
        raw = await self._call(
            "GET",
            address,
            MEMORY,
            params=asked.query(),
            limit=asked.wait + ANSWER_SECONDS,
        )
        try:
            return Report.from_dict(raw)
        except BadReport as error:
            raise AgentRefused(200, NONSENSE, f"agent at {address}: {error}") from error

    async def _call(
        self,
        method: str,
        address: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        params: dict[str, str] | None = None,
        limit: float = ANSWER_SECONDS,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        host = f"[{address}]" if ":" in address else address
        timeout = aiohttp.ClientTimeout(total=limit, sock_connect=CONNECT_SECONDS)
        sent = self._clock.now().timestamp()
        try:
            async with self._open().request(
                method,
                f"https://{host}:{self._port}{path}",
                json=body,
                params=params,
                headers=headers,
                timeout=timeout,
                # Nodes come and go, so the certificate names the role, not the address.
                server_hostname=names.AGENT_IDENTITY,
            ) as response:
                status = response.status
                self._hear(address, response.headers.get(agent_api.TIME_HEADER, ""), sent)
                raw = json.loads(await _body(response))
        except (
            TimeoutError, aiohttp.ClientError, OSError, ValueError, RecursionError
        ) as error:  # fmt: skip
            said = str(error) or type(error).__name__
            raise AgentUnreachable(
                Reason.AGENT_UNREACHABLE,
                f"agent at {host}:{self._port}: no answer to {method} {path} within {limit:g} s "
                f"({said}); look at the agent's pod on that node",
            ) from error
        if not isinstance(raw, dict):
            raise AgentRefused(status, "BadAnswer", f"agent at {host}: {path}: not an object")
        if status != 200:
            reason = str(raw.get("reason") or f"HTTP{status}")
            message = f"agent at {host}: {method} {path}: {status} {raw.get('message', raw)}"
            raise AgentRefused(status, reason, message)
        return raw

    def _hear(self, address: str, told: str, sent: float) -> None:
        received = self._clock.now().timestamp()
        at = self._clock.monotonic()
        self._clocks.heard(address, told, sent=sent, received=received, at=at)

    def _seal(self, order: Order) -> str:
        """Key of an attempt's seal: the same from every replica, told to its two agents only."""
        secret = self._files[1].read_bytes()
        words = f"podferry seal {order.migration}.{order.attempt}"
        return hmac.new(secret, words.encode(), hashlib.sha256).hexdigest()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                ssl=self._context, keepalive_timeout=KEEP_ALIVE_SECONDS, limit=0, limit_per_host=8
            )
            # A proxy of the environment has no business between controller and nodes. Agents do not
            # compress, and what a hostile one makes of a few bytes must stay a few bytes.
            self._session = aiohttp.ClientSession(
                connector=connector, trust_env=False, auto_decompress=False
            )
        return self._session


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The answer, of a bounded length: an agent may be hostile. Raises ValueError."""
    body = await response.content.read(MOST_BYTES + 1)
    while len(body) <= MOST_BYTES and (more := await response.content.read(MOST_BYTES + 1)):
        body += more
    if len(body) > MOST_BYTES:
        raise ValueError(f"an answer of more than {MOST_BYTES} bytes")
    return body


def _observed(address: str, raw: dict[str, Any]) -> Observed:
    try:
        return Observed.from_dict(raw)
    except (KeyError, ValueError, TypeError) as error:
        raise AgentRefused(
            200,
            "BadAnswer",
            f"agent at {address}: not an observation ({error!r}); is its version the same?",
        ) from error
