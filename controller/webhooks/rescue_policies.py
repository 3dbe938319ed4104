"""Answers the API server about RescuePolicies: one that could never act is not taken.

Owns which writes are looked at; what a policy may be is known to `core.rescue.valid`. A policy
that is stored already may be labelled or deleted whatever it says: a later release may know less.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog

from podferry.api import serde
from podferry.api.errors import PodferryError
from podferry.api.rescue_policy import RescuePolicySpec
from podferry.controller.core.rescue import valid
from podferry.kube import errors, paths
from podferry.kube.admission import Response
from podferry.kube.client import ApiClient

Object = dict[str, Any]
INVALID_CODE = 422

_log = structlog.get_logger(__name__)


class RescuePolicyWebhook:
    """The handler behind `/validate-rescuepolicies`.

    Args:
        client: the API server, asked whether any node is selected.
        count: told the verdict of each review, for metrics.
    """

    def __init__(
        self, client: ApiClient, *, count: Callable[[str], None] = lambda _verdict: None
    ) -> None:
        self._client, self._count = client, count

    async def validate(self, request: Object) -> Response:
        """Answer a review of a RescuePolicy that is made or changed."""
        raw, old = request.get("object") or {}, request.get("oldObject") or {}
        if old and raw.get("spec") == old.get("spec"):
            return Response(allowed=True)
        try:
            spec = serde.parse_rescue_policy(raw).spec
            valid.policy_of(spec)
        except PodferryError as error:
            self._count("policy-denied")
            return Response(
                allowed=False, message=error.message, code=INVALID_CODE, reason="Invalid"
            )
        self._count("policy-allowed")
        return Response(allowed=True, warnings=await self._warnings(spec))

    async def _warnings(self, spec: RescuePolicySpec) -> list[str]:
        """What a person may not have meant; kubectl prints it."""
        if not spec.node_selector or await self._selects(spec.node_selector):
            return []
        labels = _selector(spec.node_selector)
        return [
            f"spec.nodeSelector {labels} selects no node now; the policy does nothing until one "
            f"has these labels (kubectl get nodes -l {labels})"
        ]

    async def _selects(self, labels: dict[str, str]) -> bool:
        """Whether any node has these labels; True where that cannot be read now."""
        params = {"labelSelector": _selector(labels), "limit": "1"}
        try:
            answer = await self._client.get(paths.nodes(), params=params)
        except errors.ApiError as error:
            _log.warning("nodes of a RescuePolicy were not looked at", why=error.message)
            return True
        return bool(answer["items"])


def _selector(labels: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
