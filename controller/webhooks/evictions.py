"""Answers the API server about evictions of pods that opted in: a move in their place.

Owns the reads that the rule in `core.evictions` needs (from the quorum, never a cache) and the
creation of the Migration. Every replica answers; two that judge the same eviction make one
Migration, because its name follows from the pod. What cannot be read now is asked for again; every
other failure lets the eviction pass, as the webhook's failurePolicy does: podferry must not be why
a node cannot be emptied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from podferry.api.clock import Clock
from podferry.api.errors import PodferryError
from podferry.api.migration import Migration
from podferry.controller.core import evictions
from podferry.controller.core.evictions import Kind, Verdict
from podferry.controller.core.status import TERMINAL_VALUES
from podferry.kube import errors, paths
from podferry.kube.admission import Response
from podferry.kube.client import ApiClient
from podferry.wire import names

Object = dict[str, Any]
Parse = Callable[[Object], Migration]
_PASSING = (errors.Unavailable, errors.ServerFailed, errors.ConnectionFailed)
"""Failures of the API server that pass by themselves."""

_log = structlog.get_logger(__name__)


class EvictionWebhook:
    """The handler behind `/evict-pods`.

    Args:
        client: the API server.
        clock: for ages of Migrations.
        parse: turns a raw Migration into a value.
        own_user: user name of the controller's service account; its evictions pass.
        count: told the verdict of each review of a pod that opted in, for metrics.
    """

    def __init__(
        self,
        client: ApiClient,
        *,
        clock: Clock,
        parse: Parse,
        own_user: str,
        count: Callable[[str], None] = lambda _verdict: None,
    ) -> None:
        self._client, self._clock, self._parse = client, clock, parse
        self._own_user, self._count = own_user, count

    async def evict(self, request: Object) -> Response:
        """Answer a review of an eviction. Raises ApiError: the eviction then passes."""
        user = str((request.get("userInfo") or {}).get("username") or "")
        if user == self._own_user:
            return Response(allowed=True)
        try:
            pod, verdict = await self._judge(request)
            if pod is None:
                return Response(allowed=True)
            if _is_dry_run(request):
                verdict = _would(verdict)
            elif verdict.kind is Kind.CREATE:
                verdict = await self._create(pod, verdict, user)
        except _PASSING as error:
            text = f"podferry cannot look at its Migrations now, ask again: {error.message}"
            verdict = Verdict(Kind.HOLD, text)
        self._count(f"eviction-{verdict.kind.value}")
        return _answer(verdict)

    async def _judge(self, request: Object) -> tuple[Object | None, Verdict]:
        """The pod, None if it is not ours to judge, and what should become of its eviction."""
        body = request.get("object") or {}
        name = str(request.get("name") or (body.get("metadata") or {}).get("name"))
        space = str(request["namespace"])
        nothing = Verdict(Kind.ALLOW)
        pod = await self._get(paths.pods(space, name))
        if pod is None or not evictions.opted_in(pod):
            return None, nothing
        node = str((pod.get("spec") or {}).get("nodeName") or "")
        answer, namespace, on = await asyncio.gather(
            self._client.list(paths.migrations(space)),
            self._get(paths.namespaces(space)),
            self._get(paths.nodes(node)) if node else _nobody(),
        )
        found, unread = self._parsed(answer["items"], pod)
        if unread:
            return pod, Verdict(Kind.HOLD, unread)
        wanted = ((body.get("deleteOptions") or {}).get("preconditions") or {}).get("uid")
        verdict = evictions.decide(
            pod,
            found,
            now=self._clock.now(),
            uid=str(wanted or ""),
            namespace=namespace,
            node=on,
        )
        return pod, verdict

    def _parsed(self, raws: list[Object], pod: Object) -> tuple[list[Migration], str]:
        """Those that can be read; why the pod must wait if one that moves it cannot."""
        found = []
        for raw in raws:
            try:
                found.append(self._parse(raw))
            except PodferryError as error:
                status = raw.get("status") or {}
                source = status.get("source") or {}
                mine = source.get("uid") == pod["metadata"].get("uid")
                if mine and status.get("phase") not in TERMINAL_VALUES:
                    where = f"Migration {raw['metadata']['name']}"
                    return [], f"{where} moves this pod and cannot be read: {error.message}"
        return found, ""

    async def _create(self, pod: Object, verdict: Verdict, user: str) -> Verdict:
        """Make the Migration; one that is there already is as good."""
        space, name = str(pod["metadata"]["namespace"]), verdict.migration
        body = evictions.manifest(pod, name, user)
        try:
            await self._client.create(
                paths.migrations(space), body, params={"fieldManager": names.FIELD_MANAGER}
            )
        except errors.AlreadyExists:
            pass
        except (errors.Forbidden, errors.Invalid, errors.NotFound) as error:
            _log.warning("no migration for an eviction", pod=f"{space}/{name}", why=error.message)
            text = f"podferry could not ask for a move, so the pod is evicted: {error.message}"
            return Verdict(Kind.ALLOW, text)
        _log.info("eviction becomes a move", migration=f"{space}/{name}", asked_by=user)
        return verdict

    async def _get(self, path: str) -> Object | None:
        try:
            return await self._client.get(path)
        except errors.NotFound:
            return None


async def _nobody() -> None:
    """A pod that no scheduler has placed has no node."""


def _is_dry_run(request: Object) -> bool:
    """By the request itself, or by the options in its body, which the API server takes as well."""
    options = (request.get("object") or {}).get("deleteOptions") or {}
    return bool(request.get("dryRun") or options.get("dryRun"))


def _would(verdict: Verdict) -> Verdict:
    """A trial passes, or who tries would ask again for ever; it says what would happen."""
    if verdict.kind is Kind.ALLOW:
        return verdict
    return Verdict(Kind.ALLOW, f"dry run: {verdict.message}")


def _answer(verdict: Verdict) -> Response:
    if verdict.kind is Kind.ALLOW:
        warnings = (verdict.message,) if verdict.message else ()
        return Response(allowed=True, warnings=warnings)
    if verdict.kind is Kind.GONE:
        return Response(allowed=False, message=verdict.message, code=404, reason="NotFound")
    # No retryAfterSeconds: a client library would wait by itself, and nobody would see the message.
    return Response(allowed=False, message=verdict.message, code=429, reason="TooManyRequests")
