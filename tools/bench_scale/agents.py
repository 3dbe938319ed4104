"""One process that plays the agents of all nodes: the API of `podferry.wire`, mutual TLS and all.

Owns what a played agent answers: the facts of its node, a sound probe, memory reports, and to an
order `Working` for ever (nothing is moved here) unless it takes a move back. Told from outside,
over a plain port of the cage, which nodes come under pressure.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path

from aiohttp import web

from podferry.agent import tls
from podferry.wire import agent_api, memory, names, versions
from podferry.wire.stages import Observed, Order, Progress
from tools.bench_scale import objects
from tools.bench_scale.report import PlayedNode

TOLD_AT = ("127.0.0.1", 9600)
BACKWARDS = ("Thawed", "Released", "Disarmed", "Aborted", "Forgotten")
_FEATURES = [f"feature_{number}" for number in range(110)]
"""As many as a processor of today says it has."""


class Agents:
    """All played agents."""

    def __init__(self, pods_by_node: dict[str, list[str]]) -> None:
        began = time.monotonic()
        self._by_address: dict[str, PlayedNode] = {}
        for number in range(len(pods_by_node)):
            name = objects.node_name(number)
            node = PlayedNode(name, number, pods_by_node[name], began)
            self._by_address[objects.address(number)] = node
        self._news = asyncio.Condition()
        self.answered: Counter[str] = Counter()

    async def serve(self, folder: str) -> None:
        """Serve until killed."""
        app = web.Application(client_max_size=1 << 20)
        app.on_response_prepare.append(_tell_time)
        app.router.add_get(agent_api.NODE, self._facts)
        app.router.add_get(memory.MEMORY, self._memory)
        app.router.add_post(agent_api.PROBE, self._probe)
        app.router.add_route("*", "/v1/attempts/{uid}/{attempt}/{role}", self._attempt)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        identity = tls.Identity.load(folder)
        for address in self._by_address:
            site = web.TCPSite(runner, address, names.AGENT_PORT, ssl_context=identity.server)
            await site.start()
        told = web.Application(client_max_size=1 << 24)
        told.router.add_post("/press", self._press)
        told.router.add_get("/seen", self._seen)
        second = web.AppRunner(told, access_log=None)
        await second.setup()
        await web.TCPSite(second, *TOLD_AT).start()
        await asyncio.Event().wait()

    def _node(self, request: web.Request) -> PlayedNode:
        assert request.transport is not None
        node = self._by_address[request.transport.get_extra_info("sockname")[0]]
        self.answered[request.match_info.route.resource.canonical] += 1  # type: ignore[union-attr]
        return node

    async def _facts(self, request: web.Request) -> web.Response:
        node = self._node(request)
        ours = versions.ours("0.1.0")
        return web.json_response(
            {
                "node": node.name,
                "bootID": f"00000000-0000-4000-8000-{node.number:012d}",
                "agentVersion": ours.version,
                "protocol": ours.protocol,
                "protocolOldest": ours.oldest,
                "draining": False,
                "criuVersion": "4.2.1",
                "runcVersion": "1.4.3",
                "containerdVersion": "2.3.7",
                "kernel": "6.12.0",
                "cgroup": "v2",
                "cpuFeatures": _FEATURES,
                "softDirty": True,
                "userfaultfd": True,
                "timeNamespaces": True,
                "criuTLS": True,
                "freezeInRestore": True,
                "handlerInstalled": True,
                "pagePorts": [names.PAGE_PORT_FIRST, names.PAGE_PORT_LAST],
                "problems": [],
            }
        )

    async def _memory(self, request: web.Request) -> web.Response:
        """The long poll: an urgent node at each new sample, a calm one when something changes."""
        node = self._node(request)
        asked = memory.Asked.from_query(request.query)
        deadline = time.monotonic() + asked.wait
        step = node.step(time.monotonic())
        while (now := time.monotonic()) < deadline:
            urgent = node.pressed is not None and now >= node.pressed
            if asked.since < 0 or node.step(now) != step or asked.since > node.seq(now):
                break
            if urgent and node.seq(now) > asked.since:
                break
            # to the next sample of an urgent node, else until told; a second at most is cheap
            rest = node.began + asked.since + 1 - now if urgent else deadline - now
            rest = min(rest, node.next_step(now) - now, deadline - now)
            async with self._news:
                try:
                    await asyncio.wait_for(self._news.wait(), max(rest, 0.001))
                except TimeoutError:
                    continue
        now = time.monotonic()
        report = node.report(now, asked.since, asked.history)
        if report.urgent and node.first_told is None:
            node.first_told = now
        return web.json_response(report.to_dict())

    async def _probe(self, request: web.Request) -> web.Response:
        self._node(request)
        sizes = {"residentBytes": objects.GIB, "shmemBytes": 0, "fileBytes": 0}
        return web.json_response(
            {"ok": True, "blockers": [], **sizes, "tcpConnections": 1, "processes": 1,
             "cgroup": "/kubepods/x", "openFiles": 10}
        )  # fmt: skip

    async def _attempt(self, request: web.Request) -> web.Response:
        self._node(request)
        if request.method == "GET":
            return web.json_response({"reason": "Unknown", "message": "never heard"}, status=404)
        order = Order.from_dict(await request.json())
        reached = order.stage in BACKWARDS
        observed = Observed(
            migration=order.migration,
            attempt=order.attempt,
            role=order.role,
            stage=order.stage if reached else "",
            wanted=order.stage,
            progress=Progress.REACHED if reached else Progress.WORKING,
            facts={"agentVersion": "0.1.0", "protocol": agent_api.PROTOCOL,
                   "protocolOldest": agent_api.PROTOCOL_OLDEST, "draining": False},
        )  # fmt: skip
        if not reached:
            await asyncio.sleep(float(request.query.get("wait", "0")))
        return web.json_response(observed.to_dict())

    async def _press(self, request: web.Request) -> web.Response:
        """{"nodes": [name]}: exactly these are under pressure from now on."""
        wanted = set((await request.json())["nodes"])
        now = time.monotonic()
        for node in self._by_address.values():
            if node.name not in wanted:
                node.pressed = None
                node.first_told = None
            elif node.pressed is None:
                node.pressed = now
        async with self._news:
            self._news.notify_all()
        return web.json_response({})

    async def _seen(self, _request: web.Request) -> web.Response:
        """When each pressed node's first urgent report was sent, and how much was answered."""
        nodes = self._by_address.values()
        first = {node.name: node.first_told for node in nodes if node.first_told}
        return web.json_response({"first": first, "answered": self.answered})


async def _tell_time(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers[agent_api.TIME_HEADER] = f"{time.time():.6f}"


if __name__ == "__main__":
    asyncio.run(Agents(json.loads(Path(sys.argv[1]).read_text())).serve(sys.argv[2]))
