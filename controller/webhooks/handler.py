"""Answers the API server about new pods, and takes the claim of a move.

Owns the two calls that the pure rules in `mutate` need: the Migrations of the namespace (from the
quorum, never a cache: a stale answer could let a second copy start) and the compare-and-swap of
`status.claim`, which exactly one webhook call of all replicas wins. A dry run claims nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from podferry.api.clock import Clock
from podferry.api.errors import PodferryError
from podferry.api.migration import Migration
from podferry.controller.webhooks import mutate
from podferry.kube import errors, paths
from podferry.kube.admission import Response
from podferry.kube.client import ApiClient
from podferry.wire import names

Parse = Callable[[dict[str, Any]], Migration]

_log = structlog.get_logger(__name__)


class PodWebhook:
    """The handlers behind `/mutate-pods` and `/guard-pods`.

    Args:
        client: the API server.
        clock: for the time of a claim.
        parse: turns a raw Migration into a value.
        own_user: user name of the controller's service account.
        count: told the verdict of each review, for metrics.
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

    async def mutate_pod(self, request: dict[str, Any]) -> Response:
        """Answer a review of a pod that opted in. Raises ApiError: the API server then refuses."""
        pod = request["object"]
        # A pod made from a template may come without the name that it will get.
        namespace = str(request.get("namespace") or pod["metadata"].get("namespace"))
        own = self._is_own(request)
        token = str(request["uid"])
        for _ in range(5):
            found = [] if own else await self._migrations(namespace)
            plan = mutate.judge(pod, found, by_controller=own)
            if not plan.allowed:
                return self._refused(namespace, pod, plan)
            if plan.claim is None or request.get("dryRun"):
                break
            if await self._claim(plan.claim, token):
                break
        else:
            plan = mutate.refuse(
                "owner is being moved, retried by its controller: its Migration changed five "
                "times in a row",
                code=mutate.RETRY_CODE,
                verdict="held",
            )
            return self._refused(namespace, pod, plan)
        self._count(plan.verdict)
        if plan.claim is not None:
            _log.info(
                "pod claimed as target",
                migration=f"{namespace}/{plan.claim.name}",
                role=plan.role,
                token=token,
                dry_run=bool(request.get("dryRun")),
            )
        new = mutate.patched(pod, plan, token)
        return Response(allowed=True, patch=mutate.json_patch(pod, new))

    async def guard_pod(self, request: dict[str, Any]) -> Response:
        """Refuse our annotations on pods that did not opt in, unless we made them ourselves."""
        carried = mutate.restore_annotations(request["object"])
        if carried and not self._is_own(request):
            self._count("denied")
            return Response(
                allowed=False,
                message=f"{', '.join(carried)} may be set by podferry's controller only",
            )
        return Response(allowed=True)

    def _is_own(self, request: dict[str, Any]) -> bool:
        return (request.get("userInfo") or {}).get("username") == self._own_user

    def _refused(self, namespace: str, pod: dict[str, Any], plan: mutate.Plan) -> Response:
        self._count(plan.verdict)
        name = pod["metadata"].get("name") or pod["metadata"].get("generateName")
        _log.info("pod refused", pod=f"{namespace}/{name}", why=plan.message)
        return Response(allowed=False, message=plan.message, code=plan.code)

    async def _migrations(self, namespace: str) -> list[Migration]:
        """All Migrations of the namespace. Raises ApiError; PodferryError for nonsense in one."""
        answer = await self._client.list(paths.migrations(namespace))
        found = []
        for raw in answer["items"]:
            try:
                found.append(self._parse(raw))
            except PodferryError:
                # What has a source may be moving it: then no pod is better than a second copy.
                if (raw.get("status") or {}).get("source"):
                    raise
        return found

    async def _claim(self, migration: Migration, token: str) -> bool:
        """Write the claim; False if the Migration changed since it was read. Raises ApiError."""
        body = {
            "metadata": {"resourceVersion": migration.resource_version, "uid": migration.uid},
            "status": {
                "claim": {
                    "token": token,
                    "attempt": migration.status.attempt,
                    "at": self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
            },
        }
        path = paths.migrations(migration.namespace, migration.name, "status")
        try:
            await self._client.merge_patch(path, body, params={"fieldManager": names.FIELD_MANAGER})
        except errors.Conflict:
            return False
        return True
