"""The agent's process: arguments, logs, both servers, the janitor, an orderly end.

Owns: wiring. Never does: work of a stage. Exit codes: 0 after SIGTERM, 1 when it cannot start,
2 for wrong arguments.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import ssl
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import structlog
from aiohttp import web

from podferry.agent import (
    breakpoints,
    containers,
    draining,
    janitor,
    metrics,
    node_facts,
    operations,
    seal,
    server,
    tls,
)
from podferry.agent.engine import Engine, Side
from podferry.agent.errors import AgentError, Refused
from podferry.agent.memory import cgroups, telling
from podferry.agent.memory.sampler import Sampler
from podferry.agent.node import Node
from podferry.agent.ops.host import Host
from podferry.agent.source import Source
from podferry.agent.store import Store
from podferry.agent.target import Target
from podferry.wire import memory, names
from podferry.wire.stages import Order, Role

log = structlog.get_logger("podferry.agent")


class Services:
    """What the server asks of the node besides orders."""

    def __init__(self, node: Node, node_name: str, target: Target, sampler: Sampler) -> None:
        self._node = node
        self._node_name = node_name
        self._target = target
        self._sampler = sampler
        self.draining = False

    async def probe(self, body: dict[str, Any]) -> dict[str, Any]:
        """Probe one container; nothing is changed."""
        if not body.get("containerID"):
            raise Refused("BadBody", "probe needs containerID", status=400)
        try:
            found = await asyncio.to_thread(
                containers.find, self._node.host, str(body["containerID"])
            )
        except AgentError as error:
            status = 400 if error.reason == "BadContainerID" else 404
            raise Refused(error.reason, error.message, status=status) from error
        return await asyncio.to_thread(operations.probe, self._node.host, found)

    async def node(self) -> dict[str, Any]:
        """Node facts."""
        facts = await asyncio.to_thread(node_facts.collect, self._node, self._node_name)
        return {**facts, "draining": self.draining}

    async def memory(self, asked: memory.Asked) -> memory.Report:
        """The node's memory."""
        return await self._sampler.report(asked)

    def build(self) -> dict[str, Any]:
        """What this agent speaks, and whether it drains."""
        return {**node_facts.BUILD, "draining": self.draining}

    def remember_seal(self, order: Order, key: str) -> None:
        """Keep the key of an attempt's seal."""
        seal.remember(self._node, order, key)

    def upload(self, side: Side, kind: str, name: str) -> Any:
        """Reader of one uploaded stream."""
        return cast(Any, self._target.upload(side, kind, name))


@dataclass(frozen=True, slots=True)
class Parts:
    """The wired parts of one agent."""

    node: Node
    engine: Engine
    services: Services
    store: Store
    source: Source
    target: Target
    sampler: Sampler


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("podferry agent", description="The node side of podferry.")
    parser.add_argument("--node-name", default=os.environ.get("NODE_NAME", ""))
    parser.add_argument("--tls-dir", default=tls.DEFAULT_DIR)
    parser.add_argument("--state", default=names.STATE_DIR, help="folder on the node")
    parser.add_argument("--run", default=names.RUN_DIR, help="volatile folder on the node")
    everywhere = "0.0.0.0"  # noqa: S104 (orders need a certificate, metrics take none)
    parser.add_argument("--bind", default=os.environ.get("NODE_IP") or everywhere)
    parser.add_argument("--metrics-bind", default=everywhere)
    parser.add_argument("--port", type=int, default=names.AGENT_PORT)
    parser.add_argument("--metrics-port", type=int, default=names.AGENT_METRICS_PORT)
    parser.add_argument(
        "--sample-seconds",
        type=_sample_seconds,
        default=os.environ.get("PODFERRY_SAMPLE_SECONDS", "1"),
        help="time between two samples of the node's memory, 1 to 2",
    )
    parser.add_argument(
        "--breakpoints",
        default=os.environ.get("PODFERRY_BREAKPOINTS", ""),
        help="tests only: a folder on the node; a file ROLE.STAGE in it halts before that stage",
    )
    found = parser.parse_args(argv)
    if not found.node_name:
        parser.error("no node name: set NODE_NAME (spec.nodeName) or --node-name")
    return found


def _sample_seconds(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= 2:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 2")
    return seconds


def run_agent(argv: Sequence[str] | None = None) -> int:
    """Run the agent until SIGTERM or SIGINT. Returns the exit code."""
    arguments = _arguments(sys.argv[1:] if argv is None else argv)
    _configure_logs()
    try:
        asyncio.run(_serve(arguments))
    except (OSError, ssl.SSLError) as error:
        log.error("the agent cannot start", error=str(error))
        return 1
    return 0


def _configure_logs() -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


def build(arguments: argparse.Namespace, identity: tls.Identity) -> Parts:
    """Wire the parts of one agent."""
    node = Node(Host(), arguments.state, arguments.run, arguments.tls_dir)
    for folder in (f"{arguments.run}/hold", f"{arguments.run}/restored"):
        os.makedirs(node.local(folder), mode=0o700, exist_ok=True)
    store = Store(node.local(arguments.state))

    def taken() -> set[int]:
        return {
            int(side.facts["pagePort"])
            for side in engine.sides()
            if "pagePort" in side.facts and not side.state.ended
        }

    source = Source(node, identity.client, taken, peer_port=arguments.port)
    target = Target(node, taken)
    halt = breakpoints.at(arguments.breakpoints and node.local(arguments.breakpoints))
    engine = Engine(store, {Role.SOURCE: source, Role.TARGET: target}, halt)
    about = telling.About(
        arguments.node_name, node.boot_id(), time.time(), arguments.sample_seconds
    )
    tree = cgroups.Tree(node.local(cgroups.MOUNT), node.local("/proc/meminfo"))
    sampler = Sampler(tree, node.local("/proc"), about)
    services = Services(node, arguments.node_name, target, sampler)
    return Parts(node, engine, services, store, source, target, sampler)


async def _serve(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    identity = tls.Identity.load(arguments.tls_dir)
    parts = build(arguments, identity)
    engine = parts.engine
    engine.start()
    parts.sampler.start()
    orders = web.AppRunner(server.application(engine, parts.services), access_log=None)
    plain = web.AppRunner(
        metrics.application(lambda: "draining" if stop.is_set() else ""), access_log=None
    )
    await orders.setup()
    await plain.setup()
    try:
        await web.TCPSite(
            orders, arguments.bind, arguments.port, ssl_context=identity.server
        ).start()
        await web.TCPSite(plain, arguments.metrics_bind, arguments.metrics_port).start()
        keepers = [
            asyncio.create_task(identity.watch()),
            asyncio.create_task(janitor.run(engine, parts.store, parts.node)),
            asyncio.create_task(janitor.tend(engine, parts.source, parts.target)),
        ]
        log.info("serving", node=arguments.node_name, bind=arguments.bind, port=arguments.port)
        await stop.wait()
        parts.services.draining = True
        await draining.finished(engine.sides)
        parts.sampler.close()
        for keeper in keepers:
            keeper.cancel()
        await engine.stop()
    finally:
        parts.sampler.close()
        await orders.cleanup()
        await plain.cleanup()


if __name__ == "__main__":
    sys.exit(run_agent())
