"""A server that misbehaves on purpose, one way at a time, and counts what it is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from podferry.kube.client import ApiClient

WatchBehaviour = Callable[[web.Request, "HostileServer"], Awaitable[web.StreamResponse]]


def pod(name: str, version: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "ns", "resourceVersion": str(version)},
    }


class HostileServer:
    """Lists `items` at `version`; what a watch gets is up to `on_watch`."""

    def __init__(self, on_watch: WatchBehaviour) -> None:
        self.on_watch = on_watch
        self.items: list[dict[str, Any]] = [pod("a", 5)]
        self.version = 10
        self.lists = 0
        self.watches: list[dict[str, str]] = []
        self.end = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._client: ApiClient | None = None

    async def __aenter__(self) -> HostileServer:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        self._client = ApiClient.for_url(f"http://127.0.0.1:{self.port}")
        return self

    @property
    def client(self) -> ApiClient:
        assert self._client is not None
        return self._client

    async def __aexit__(self, *_exc: object) -> None:
        self.end.set()
        await self.client.close()
        assert self._runner is not None
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            self.watches.append(dict(request.query))
            return await self.on_watch(request, self)
        self.lists += 1
        return web.json_response(
            {
                "kind": "PodList",
                "apiVersion": "v1",
                "metadata": {"resourceVersion": str(self.version)},
                "items": self.items,
            }
        )


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    return response


async def send(response: web.StreamResponse, kind: str, obj: dict[str, Any]) -> None:
    await response.write(json.dumps({"type": kind, "object": obj}).encode() + b"\n")


def status(code: int, reason: str) -> dict[str, Any]:
    return {"kind": "Status", "code": code, "reason": reason, "message": f"told {code}"}
