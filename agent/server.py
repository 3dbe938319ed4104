"""The agent's HTTPS server: orders, answers, uploads, probe and node facts.

Owns: routes of `wire.agent_api`, authorisation by the name in the client certificate, JSON
errors. Never does: answer a request without a verified client certificate.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import IO, Any, Protocol

import structlog
from aiohttp import web

from podferry.agent import draining, metrics, tls, transfer
from podferry.agent.archive import ArchiveError
from podferry.agent.engine import Engine, Side
from podferry.agent.errors import AgentError, Refused
from podferry.wire import agent_api, memory, names
from podferry.wire.stages import Order, Role

log = structlog.get_logger("podferry.agent.server")
MAX_WAIT_SECONDS = 60.0
_PEER = web.RequestKey("peer", frozenset[str])
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Services(Protocol):
    """What the server asks of the node besides orders."""

    @property
    def draining(self) -> bool:
        """Whether this agent is being replaced."""
        ...

    def build(self) -> dict[str, Any]:
        """Facts of every answer: what this agent speaks, and whether it drains."""
        ...

    async def probe(self, body: dict[str, Any]) -> dict[str, Any]:
        """Probe one container: blockers and sizes."""
        ...

    async def node(self) -> dict[str, Any]:
        """Node facts."""
        ...

    async def memory(self, asked: memory.Asked) -> memory.Report:
        """The node's memory, once there is more to tell. Raises Refused."""
        ...

    def remember_seal(self, order: Order, key: str) -> None:
        """Keep the key of an attempt's seal. Raises Refused."""
        ...

    def upload(self, side: Side, kind: str, name: str) -> Callable[[IO[bytes]], object]:
        """Reader of one uploaded stream of a target. Raises Refused."""
        ...


def application(engine: Engine, services: Services) -> web.Application:
    """The HTTPS application; serve it only through a context that requires certificates."""
    app = web.Application(middlewares=[_errors, _identify], client_max_size=1 << 20)
    app.on_response_prepare.append(_tell_time)
    routes = _Routes(engine, services)
    app.router.add_put("/v1/attempts/{uid}/{attempt}/files/{kind}/{name}", routes.put_file)
    app.router.add_put("/v1/attempts/{uid}/{attempt}/{role}", routes.put_order)
    app.router.add_get("/v1/attempts/{uid}/{attempt}/{role}", routes.get_side)
    app.router.add_post(agent_api.PROBE, routes.post_probe)
    app.router.add_get(agent_api.NODE, routes.get_node)
    app.router.add_get(memory.MEMORY, routes.get_memory)
    return app


async def _tell_time(_request: web.Request, response: web.StreamResponse) -> None:
    """Moments in our answers are by our clock; who compares nodes must know how far it is off."""
    response.headers[agent_api.TIME_HEADER] = f"{time.time():.6f}"


@web.middleware
async def _errors(request: web.Request, handler: Answer) -> web.StreamResponse:
    """Every error is {"reason", "message"} with its status."""
    try:
        return await handler(request)
    except Refused as error:
        metrics.refused.labels(error.reason).inc()
        log.info("refused", path=request.path, status=error.status, **error.to_dict())
        return web.json_response(error.to_dict(), status=error.status)
    except ArchiveError as error:
        return _problem(400, "BadArchive", str(error))
    except AgentError as error:
        return web.json_response(error.to_dict(), status=500)
    except web.HTTPException as error:
        return _problem(error.status, "Http", f"{request.method} {request.path}: {error.reason}")
    except Exception as error:
        log.exception("request broke", path=request.path)
        return _problem(500, "Internal", f"{type(error).__name__}: {error}; see the agent's log")


def _problem(status: int, reason: str, message: str) -> web.Response:
    return web.json_response({"reason": reason, "message": message}, status=status)


@web.middleware
async def _identify(request: web.Request, handler: Answer) -> web.StreamResponse:
    """Read the peer's names from its certificate; none of ours means 403."""
    ssl_object = request.get_extra_info("ssl_object")
    peer = tls.peer_names(ssl_object)
    if not peer:
        raise Refused(
            "UnknownIdentity",
            "the client certificate names neither"
            f" {names.CONTROLLER_IDENTITY} nor {names.AGENT_IDENTITY}",
            status=403,
        )
    request[_PEER] = peer
    return await handler(request)


def _require(request: web.Request, identity: str) -> None:
    peer = request[_PEER]
    if identity not in peer:
        raise Refused(
            "Forbidden",
            f"{request.method} {request.path} is for {identity}, the certificate names"
            f" {', '.join(sorted(peer))}",
            status=403,
        )


class _Routes:
    """Handlers of the routes."""

    def __init__(self, engine: Engine, services: Services) -> None:
        self._engine = engine
        self._services = services

    async def put_order(self, request: web.Request) -> web.Response:
        """Accept an order and wait for its stage for at most `wait` seconds."""
        _require(request, names.CONTROLLER_IDENTITY)
        order = _order(request, await _body(request))
        seconds = _wait(request)
        if self._services.draining:
            draining.check_begin(order, self._engine.sides())
        side = await self._engine.submit(order)
        key = request.headers.get(agent_api.SEAL)
        if key is not None and names.CONTROLLER_IDENTITY in request[_PEER]:
            self._services.remember_seal(order, key)
        if seconds:
            await self._engine.wait(side, order.stage, seconds)
        return await self._answer(side)

    async def get_side(self, request: web.Request) -> web.Response:
        """Answer with what is observed; `wait` is for PUT only."""
        _require(request, names.CONTROLLER_IDENTITY)
        return await self._answer(self._engine.get(*_key(request), _role(request)))

    async def _answer(self, side: Side) -> web.Response:
        observed = await self._engine.observe(side)
        facts = {**observed.facts, **self._services.build()}
        return web.json_response(replace(observed, facts=facts).to_dict())

    async def put_file(self, request: web.Request) -> web.Response:
        """Take one tar stream of the source's agent."""
        _require(request, names.AGENT_IDENTITY)
        kind, name = request.match_info["kind"], request.match_info["name"]
        if kind not in ("images", "rootfs", "volume", "shm") or not _NAME.fullmatch(name):
            raise Refused("BadName", f"no stream is called {kind}/{name}", status=400)
        side = self._engine.get(*_key(request), Role.TARGET)
        if side.order.attempt < self._engine.highest(side.order.migration):
            raise Refused("OlderAttempt", f"attempt {side.order.attempt} is over")
        read = self._services.upload(side, kind, name)
        if name not in (transfer.EXPECT, transfer.MANIFEST):
            await self._engine.before(Role.TARGET, kind)
        await transfer.receive(request.content, kind, read)
        return web.json_response({})

    async def post_probe(self, request: web.Request) -> web.Response:
        """Probe a container; nothing is changed."""
        _require(request, names.CONTROLLER_IDENTITY)
        return web.json_response(await self._services.probe(await _body(request)))

    async def get_node(self, request: web.Request) -> web.Response:
        """Facts of this node."""
        _require(request, names.CONTROLLER_IDENTITY)
        return web.json_response(await self._services.node())

    async def get_memory(self, request: web.Request) -> web.Response:
        """Memory of this node; waits for a change for at most `wait` seconds."""
        _require(request, names.CONTROLLER_IDENTITY)
        try:
            asked = memory.Asked.from_query(request.query)
        except memory.BadReport as error:
            raise Refused("BadQuery", str(error), status=400) from error
        return web.json_response((await self._services.memory(asked)).to_dict())


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except (ValueError, LookupError, RecursionError) as error:
        raise Refused("BadBody", f"the body is not JSON: {error}", status=400) from error
    if not isinstance(body, dict):
        raise Refused("BadBody", "the body is not a JSON object", status=400)
    return body


def _key(request: web.Request) -> tuple[str, int]:
    text = request.match_info["attempt"]
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Refused("BadAttempt", f"{text!r} is not an attempt number", status=400)
    return request.match_info["uid"], int(text)


def _role(request: web.Request) -> Role:
    try:
        return Role(request.match_info["role"])
    except ValueError as error:
        raise Refused(
            "BadRole", f"{request.match_info['role']!r} is neither source nor target", status=400
        ) from error


def _order(request: web.Request, body: dict[str, Any]) -> Order:
    try:
        order = Order.from_dict(body)
    except ValueError as error:
        raise Refused("BadOrder", str(error), status=400) from error
    if (order.migration, order.attempt, order.role) != (*_key(request), _role(request)):
        raise Refused("BadOrder", "path and body name different attempts", status=400)
    return order


def _wait(request: web.Request) -> float:
    text = request.query.get("wait", "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT_SECONDS:
        raise Refused(
            "BadWait", f"wait={text!r} is not between 0 and {MAX_WAIT_SECONDS:.0f} s", status=400
        )
    return seconds
