"""Shows people what the agents said of their nodes: the ConfigMap `podferry-nodes`.

Owns that object: one key a node, the value is JSON of the agent's facts and `observedAt`. It is for
reading only (`podferry nodes`, `podferry probe`); no decision is ever made from it. A node that is
gone, or whose agent has fallen silent, has no key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import structlog

from podferry.api.clock import Clock
from podferry.api.errors import PodferryError
from podferry.controller.runtime.observe import Observations
from podferry.kube import paths
from podferry.kube.client import ApiClient
from podferry.wire import names

Object = dict[str, Any]

EVERY_SECONDS = 300.0
"""Unchanged facts are written again after this: a reader can tell that they are kept [s]."""
LIMIT_BYTES = 900 * 1024
"""Largest data that is written; the API server takes no object above 1 MiB or so."""

_log = structlog.get_logger(__name__)


class FactsPublisher:
    """Writes when something changed or is due. For one event loop.

    Args:
        client: connection to the API server.
        observations: what the agents said.
        nodes: returns the names of the nodes there are.
        namespace: where the ConfigMap is kept.
        clock: for `observedAt` and for what is due.
        on_error: told the reason of a write that failed; for metrics.
    """

    def __init__(
        self,
        client: ApiClient,
        observations: Observations,
        nodes: Callable[[], Iterable[str]],
        *,
        namespace: str,
        clock: Clock,
        on_error: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self._client, self._observations, self._nodes = client, observations, nodes
        self._namespace, self._clock, self._on_error = namespace, clock, on_error
        self._written: dict[str, Object] | None = None
        self._written_at = float("-inf")

    async def publish(self) -> None:
        """Write what the agents said if it is news or due; a failure is logged, never raised."""
        known = {name: self._observations.facts(name) for name in self._nodes()}
        facts = {name: said for name, said in sorted(known.items()) if said is not None}
        now = self._clock.monotonic()
        if not known or (facts == self._written and now - self._written_at < EVERY_SECONDS):
            return
        data, left_out = fitting({name: self._value(name, facts[name]) for name in facts})
        if left_out:
            _log.warning(
                "facts of some nodes are not shown: they do not fit into one ConfigMap",
                nodes_left_out=len(left_out),
                first=left_out[0],
                limit_bytes=LIMIT_BYTES,
                means="podferry nodes shows no facts for them; migrations are not affected",
            )
        path = paths.configmaps(self._namespace, names.NODE_FACTS)
        try:
            await self._client.apply(
                path, manifest(self._namespace, data), field_manager=names.FIELD_MANAGER
            )
        except PodferryError as error:
            self._on_error(error.reason)
            _log.warning("facts of nodes were not written, tried again", why=error.message)
            return
        self._written, self._written_at = facts, now

    def _value(self, node: str, facts: Object) -> str:
        seen = self._clock.now() - timedelta(seconds=self._observations.facts_age_seconds(node))
        stamp = seen.strftime("%Y-%m-%dT%H:%M:%SZ")
        return json.dumps({**facts, "observedAt": stamp}, separators=(",", ":"))


def fitting(values: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Split values into what fits into LIMIT_BYTES, in the given order, and the names left out."""
    kept: dict[str, str] = {}
    left_out = []
    size = 0
    for name, value in values.items():
        cost = len(name.encode()) + len(value.encode())
        if size + cost > LIMIT_BYTES:
            left_out.append(name)
            continue
        size += cost
        kept[name] = value
    return kept, left_out


def manifest(namespace: str, data: dict[str, str]) -> Object:
    """Return the whole ConfigMap as it is applied; keys that are not in it are removed."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": names.NODE_FACTS,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/part-of": "podferry"},
        },
        "data": data,
    }
