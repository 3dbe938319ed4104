"""`GET /v1/insight`: what the leader sees and would do now, as JSON, for people with a right to it.

Owns the port, who is let in (`viewers`) and how often the leader is asked to explain. What is told
is made by `core/rescue/explain.py`; nothing here decides or changes anything. A replica that does
not lead names the one that does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from aiohttp import web

from podferry.api.clock import Clock
from podferry.controller.runtime.viewers import Refusal, Viewers
from podferry.wire import names

Insight = Mapping[str, Any]


class Explains(Protocol):
    """Returns the whole insight; without its pods where they are not wanted."""

    def __call__(self, *, pods: bool) -> Insight:
        """See `core/rescue/explain.py`."""
        ...


REMEMBERED_SECONDS = 1.0
"""An explanation is made at most so often, however many people look [s]."""
PARTS = ("nodes", "pods", "policies")


class InsightServer:
    """Serves until stopped.

    Args:
        viewers: who is let in.
        identity: name of this replica's pod.
        leader: name of the pod that leads as far as this replica knows, "" if it does not.
        clock: for the age of an explanation.
        host: where to listen.
        port: 0 takes a free one.
    """

    def __init__(
        self,
        viewers: Viewers,
        *,
        identity: str,
        leader: Callable[[], str],
        clock: Clock,
        host: str = "0.0.0.0",  # noqa: S104 - the API server calls from outside the pod
        port: int = names.INSIGHT_PORT,
    ) -> None:
        self._viewers, self._identity, self._leader, self._clock = viewers, identity, leader, clock
        self._host, self.port = host, port
        self._explain: Explains | None = None
        self._last: dict[bool, tuple[float, Insight]] = {}
        self._runner: web.AppRunner | None = None

    def lead(self, explain: Explains | None) -> None:
        """From now on tell what `explain` returns; None: this replica leads no more."""
        self._explain, self._last = explain, {}

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        app = web.Application()
        app.router.add_get(names.INSIGHT_PATH, self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        refusal = await self._viewers.refusal(request.headers.get(names.TOKEN_HEADER, ""))
        if refusal is None:
            refusal = self._not_leading() or _nonsense(request.query)
        if refusal is not None:
            return _refused(refusal)
        parts = tuple(filter(None, request.query.get("parts", "").split(","))) or PARTS
        told = narrowed(
            self._now(pods="pods" in parts), node=request.query.get("node", ""), parts=parts
        )
        return web.json_response(told)

    def _not_leading(self) -> Refusal | None:
        if self._explain is not None:
            return None
        leader = self._leader()
        if leader == self._identity:
            text = f"{self._identity} leads but has not looked yet; ask again in a second"
            return Refusal(503, "Starting", text)
        if leader:
            return Refusal(421, "NotLeading", f"{self._identity} does not lead, ask {leader}")
        return Refusal(503, "NoLeader", "nobody leads now; ask again in a second")

    def _now(self, *, pods: bool) -> Insight:
        assert self._explain is not None
        now = self._clock.monotonic()
        at, told = self._last.get(pods, (float("-inf"), {}))
        if now - at >= REMEMBERED_SECONDS:
            told = self._explain(pods=pods)
            self._last[pods] = (now, told)
        return told


def narrowed(insight: Insight, *, node: str = "", parts: tuple[str, ...] = PARTS) -> Insight:
    """Return the parts that are wanted and, with `node`, what concerns it. Pure.

    Of a node are told: itself and the nodes that its pods could go to, its pods, and what each
    policy says of it.
    """
    told = {name: value for name, value in insight.items() if name not in PARTS or name in parts}
    if not node:
        return told
    policies = [
        {**policy, "nodes": [one for one in policy["nodes"] if one["name"] == node]}
        for policy in insight.get("policies", ())
    ]
    near = {node} | {
        candidate["key"]
        for policy in policies
        for one in policy["nodes"]
        for placement in one["placements"]
        for candidate in placement["candidates"]
    }
    kept = {
        "nodes": [one for one in insight.get("nodes", ()) if one["name"] in near],
        "pods": [one for one in insight.get("pods", ()) if one["node"] == node],
        "policies": policies,
    }
    return told | {name: value for name, value in kept.items() if name in told}


def _nonsense(query: Mapping[str, str]) -> Refusal | None:
    for name in query:
        if name not in ("node", "parts"):
            return Refusal(400, "BadQuery", f"unknown argument {name[:40]!r}; known: node, parts")
    for part in filter(None, query.get("parts", "").split(",")):
        if part not in PARTS:
            text = f"unknown part {part[:40]!r}; known: {', '.join(PARTS)}"
            return Refusal(400, "BadQuery", text)
    return None


def _refused(refusal: Refusal) -> web.Response:
    body = {"reason": refusal.reason, "message": refusal.message, "code": refusal.status}
    headers = {"Retry-After": "1"} if refusal.status in (429, 503) else None
    return web.json_response(body, status=refusal.status, headers=headers)
