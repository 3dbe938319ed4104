"""`/metrics`, `/healthz` and `/readyz` of one replica, plain HTTP. Reports, never decides."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from podferry.controller.runtime.metrics import Metrics


class HealthServer:
    """Serves until stopped; `ready` returns why we are not ready, "" if we are."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        ready: Callable[[], str],
        host: str = "0.0.0.0",  # noqa: S104 - kubelet and Prometheus call from outside the pod
        port: int,
    ) -> None:
        self._metrics, self._ready, self._host, self.port = metrics, ready, host, port
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        app = web.Application()
        app.router.add_get("/metrics", self._serve_metrics)
        app.router.add_get("/healthz", self._serve_health)
        app.router.add_get("/readyz", self._serve_ready)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve_metrics(self, _request: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=self._metrics.render(), headers=headers)

    async def _serve_health(self, _request: web.Request) -> web.Response:
        # That this answers at all is the sign of life: one event loop does everything.
        return web.Response(text="ok\n")

    async def _serve_ready(self, _request: web.Request) -> web.Response:
        why = self._ready()
        return web.Response(status=503 if why else 200, text=f"{why or 'ok'}\n")
