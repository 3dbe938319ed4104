"""One reconcile of one Migration: read, decide, write the status, act. In this order, always.

Owns the rule that no action runs unless the status that announces it was written by
compare-and-swap (or did not change). A conflict, an unknown outcome or lost leadership ends the
reconcile; the next one reads again and never guesses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import structlog

from podferry.api.clock import Clock
from podferry.api.migration import Migration, MigrationStatus
from podferry.controller.core.actions import OrderAgent
from podferry.controller.core.view import Step, View
from podferry.controller.runtime.executor import WRITER, Executor, Subject
from podferry.controller.runtime.metrics import Metrics, is_terminal
from podferry.controller.runtime.observe import Observations
from podferry.controller.runtime.status_patch import merge_diff
from podferry.controller.runtime.view_builder import ViewBuilder
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.wire import names

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Codec:
    """Between raw Migrations and values: `podferry.api.serde`."""

    parse: Callable[[dict[str, Any]], Migration]
    status_to_dict: Callable[[MigrationStatus], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """When to come again: `after_seconds` [s], 0 at once, None when something changes."""

    after_seconds: float | None = None


class NotLeading(Exception):
    """Leadership is gone or too old; nothing more may be done."""


class Reconciler:
    """See the module; `advance` is the pure core."""

    def __init__(
        self,
        client: ApiClient,
        builder: ViewBuilder,
        executor: Executor,
        observations: Observations,
        metrics: Metrics,
        *,
        advance: Callable[[View], Step],
        codec: Codec,
        clock: Clock,
        is_leader: Callable[[], bool],
    ) -> None:
        self._client, self._builder, self._executor = client, builder, executor
        self._observations, self._metrics = observations, metrics
        self._advance, self._codec, self._clock = advance, codec, clock
        self._is_leader = is_leader

    async def reconcile(self, namespace: str, name: str) -> Outcome:
        """Take one Migration one step further.

        Raises:
            Conflict: somebody wrote meanwhile; no action ran.
            PodferryError: a read, the write or an action failed; later actions did not run.
            NotLeading: another replica may lead.
        """
        began = self._clock.monotonic()
        # A workload may be frozen: what the last known status names is read at the same time.
        raw, prefetched = await asyncio.gather(
            self._migration(namespace, name), self._builder.prefetch(namespace, name)
        )
        if raw is None:
            return Outcome()
        migration = self._codec.parse(raw)
        if is_terminal(migration) and names.FINALIZER not in migration.finalizers:
            self._observations.forget(migration.uid)
            return Outcome()
        step = self._advance(await self._builder.build(migration, prefetched))
        self._builder.decided(replace(migration, status=step.status))
        read = self._clock.monotonic()
        subject = await self._write_status(raw, migration, step)
        wrote = self._clock.monotonic()
        news, agents = await self._act(subject, step)
        ended = self._clock.monotonic()
        self._metrics.reconcile.observe(ended - began - agents)
        _log.debug(
            "reconciled",
            migration=f"{namespace}/{name}",
            phase=step.status.phase,
            actions=[type(action).__name__ for action in step.actions],
            read_ms=_ms(read - began),
            write_ms=_ms(wrote - read),
            agents_ms=_ms(agents),
            own_ms=_ms(ended - began - agents),
        )
        return Outcome(0.0 if news else step.requeue_after_seconds)

    async def _migration(self, namespace: str, name: str) -> dict[str, Any] | None:
        try:
            return await self._client.get(paths.migrations(namespace, name))
        except errors.NotFound:
            return None

    async def _write_status(self, raw: dict[str, Any], migration: Migration, step: Step) -> Subject:
        """Write the status if it differs; the subject carries the version of what was written."""
        self._check_leading()
        subject = Subject(
            namespace=migration.namespace,
            name=migration.name,
            uid=migration.uid,
            attempt=step.status.attempt,
            resource_version=migration.resource_version,
            finalizers=migration.finalizers,
        )
        patch = merge_diff(raw.get("status") or {}, self._codec.status_to_dict(step.status))
        if not patch:
            return subject
        body = {
            "metadata": {"uid": migration.uid, "resourceVersion": migration.resource_version},
            "status": patch,
        }
        path = paths.migrations(migration.namespace, migration.name, "status")
        answer = await self._client.merge_patch(path, body, params=WRITER)
        subject.resource_version = str(answer["metadata"]["resourceVersion"])
        self._note(migration, step)
        return subject

    def _note(self, migration: Migration, step: Step) -> None:
        old, new = migration.status, step.status
        if old.phase != new.phase or step.decides:
            _log.info(
                "migration",
                migration=f"{migration.namespace}/{migration.name}",
                phase=new.phase,
                attempt=new.attempt,
                decision=new.decision.value,
                reason=new.decision_reason,
                decides=step.decides,
            )
        after = replace(migration, status=new)
        if is_terminal(after) and not is_terminal(migration):
            self._metrics.ended(after)

    async def _act(self, subject: Subject, step: Step) -> tuple[bool, float]:
        """Run the actions; return whether there is news, and the seconds that agents took."""
        news, agents = False, 0.0
        for action in step.actions:
            self._check_leading()
            began = self._clock.monotonic()
            news = await self._executor.run(subject, action) or news
            if isinstance(action, OrderAgent):
                agents += self._clock.monotonic() - began
        return news, agents

    def _check_leading(self) -> None:
        if not self._is_leader():
            raise NotLeading


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
