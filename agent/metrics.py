"""Prometheus metrics of the agent and their plain HTTP port, which takes no orders.

Owns: metric names, /metrics, /healthz, /readyz. Never does: serve anything of an attempt.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

stages = Counter(
    "podferry_agent_stages_total", "Stages by how they ended", ["role", "stage", "outcome"]
)
stage_seconds = Histogram(
    "podferry_agent_stage_seconds",
    "Time to bring one side to a stage",
    ["role", "stage"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120),
)
transferred = Counter("podferry_agent_transferred_bytes_total", "Bytes by kind", ["kind", "way"])
refused = Counter("podferry_agent_refused_total", "Refused requests", ["reason"])
frozen = Gauge("podferry_agent_frozen_sources", "Sources of this node that are held frozen")


def application(ready: Callable[[], str]) -> web.Application:
    """The metrics server. `ready` returns an empty text or why the agent is not ready."""

    async def scrape(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def health(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readiness(_request: web.Request) -> web.Response:
        problem = ready()
        return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)

    app = web.Application()
    app.router.add_get("/metrics", scrape)
    app.router.add_get("/healthz", health)
    app.router.add_get("/readyz", readiness)
    return app
