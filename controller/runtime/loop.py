"""The leader's loop: reflectors feed a queue of Migrations, workers reconcile them.

Owns which change wakes which Migration, back-off after errors and the periodic look at
everything that is not over. State lives in the API server and at the agents only, so the loop may
be ended at any instant.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import structlog

from podferry.api.clock import Clock
from podferry.api.errors import PodferryError
from podferry.api.migration import Migration
from podferry.controller.runtime.metrics import Metrics, is_terminal
from podferry.controller.runtime.reconciler import NotLeading, Reconciler
from podferry.controller.runtime.requested import Requested, counted_only
from podferry.controller.runtime.view_builder import BY_NAMESPACE, BY_NODE, Stores
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.kube.reflector import Reflector
from podferry.kube.workqueue import WorkQueue
from podferry.wire import names

WORKERS = 32
"""Reconciles at once; most of them wait for an agent."""
RESYNC_SECONDS = 10.0
FIRST_BACKOFF_SECONDS = 0.1
"""Short: a workload may be frozen while we wait [s]."""
LAST_BACKOFF_SECONDS = 5.0

_log = structlog.get_logger(__name__)

Parse = Callable[[dict[str, Any]], Migration]


class ControllerLoop:
    """Reflectors, queue and workers. `attach` a reconciler, then `run`."""

    def __init__(
        self,
        client: ApiClient,
        *,
        clock: Clock,
        rng: random.Random,
        metrics: Metrics,
        parse: Parse,
        workers: int = WORKERS,
    ) -> None:
        self._clock, self._metrics, self._parse, self._workers = clock, metrics, parse, workers
        self._reconciler: Reconciler | None = None
        self._queue = WorkQueue(
            base_seconds=FIRST_BACKOFF_SECONDS, cap_seconds=LAST_BACKOFF_SECONDS, rng=rng
        )
        self._migrations = Reflector(
            client,
            paths.migrations(None),
            clock=clock,
            rng=rng,
            on_change=self._migration_changed,
            indexers={BY_NAMESPACE: _namespace_of},
        )
        self._pods = Reflector(
            client,
            paths.pods(None),
            clock=clock,
            rng=rng,
            params={"labelSelector": f"{names.LABEL_MIGRATABLE}=true"},
            on_change=self._pod_changed,
            indexers={BY_NAMESPACE: _namespace_of, BY_NODE: _node_of},
        )
        self._other_pods = Reflector(
            client,
            paths.pods(None),
            clock=clock,
            rng=rng,
            params={"labelSelector": f"{names.LABEL_MIGRATABLE}!=true"},
            on_change=self._other_pod_changed,
            keep=counted_only,
        )
        self._nodes = Reflector(client, paths.nodes(), clock=clock, rng=rng)
        self._mine, self._others = Requested(), Requested()
        self.stores = Stores(
            self._migrations.store,
            self._pods.store,
            self._nodes.store,
            requested=lambda node: self._mine.on(node) + self._others.on(node),
        )

    def attach(self, reconciler: Reconciler) -> None:
        """Say who reconciles; the builder behind it needs our stores, so this comes later."""
        self._reconciler = reconciler

    async def run(self) -> None:
        """Work until cancelled or until leadership is gone (raises NotLeading)."""
        reflectors = (self._migrations, self._pods, self._other_pods, self._nodes)
        async with asyncio.TaskGroup() as group:
            for reflector in reflectors:
                group.create_task(reflector.run())
            await self.synced()
            _log.info("stores are in step", migrations=len(self._migrations.store))
            group.create_task(self._resync())
            for _ in range(self._workers):
                group.create_task(self._work())

    async def synced(self) -> None:
        """Wait until every store shows what the API server has."""
        reflectors = (self._migrations, self._pods, self._other_pods, self._nodes)
        await asyncio.gather(*(reflector.synced.wait() for reflector in reflectors))

    def _migration_changed(self, key: str) -> None:
        self._queue.add(key)

    def _pod_changed(self, key: str) -> None:
        """Wake the Migrations that wait for this pod."""
        namespace, _, name = key.partition("/")
        pod = self._pods.store.get(key)
        self._mine.changed(key, pod)
        annotations = (pod or {"metadata": {}})["metadata"].get("annotations") or {}
        restores = str(annotations.get(names.ANNOTATION_RESTORE, "")).partition(".")[0]
        for raw in self._migrations.store.by_index(BY_NAMESPACE, namespace):
            status = raw.get("status") or {}
            ends = {(status.get(end) or {}).get("pod") for end in ("source", "target")}
            if name in ends or raw["metadata"]["uid"] == restores:
                self._queue.add(f"{namespace}/{raw['metadata']['name']}")

    def _other_pod_changed(self, key: str) -> None:
        self._others.changed(key, self._other_pods.store.get(key))

    async def _resync(self) -> None:
        """Look at everything that is not over, even if nothing changed."""
        while True:
            active = 0
            for raw in self._migrations.store.list():
                over = self._is_over(raw)
                active += not over
                if not over or names.FINALIZER in (raw["metadata"].get("finalizers") or ()):
                    metadata = raw["metadata"]
                    self._queue.add(f"{metadata['namespace']}/{metadata['name']}")
            self._metrics.active.set(active)
            for kind, reflector in (
                ("migrations", self._migrations),
                ("pods", self._pods),
                ("other pods", self._other_pods),
                ("nodes", self._nodes),
            ):
                self._metrics.reflector_restarts.labels(kind).set(reflector.restarts)
            await asyncio.sleep(RESYNC_SECONDS)

    def _is_over(self, raw: dict[str, Any]) -> bool:
        try:
            return is_terminal(self._parse(raw))
        except PodferryError:
            return False

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._reconcile(key)
            finally:
                self._queue.done(key)

    async def _reconcile(self, key: str) -> None:
        assert self._reconciler is not None
        namespace, _, name = key.partition("/")
        try:
            outcome = await self._reconciler.reconcile(namespace, name)
        except NotLeading:
            raise
        except errors.Conflict as error:
            # Somebody wrote meanwhile, often our own webhook: nothing was done, read again.
            self._failed(key, error.reason, error.message, expected=True)
        except PodferryError as error:
            self._failed(key, error.reason, error.message)
        except Exception as error:
            # The border: one Migration that cannot be worked on must not stop the others.
            _log.exception("reconcile failed", migration=key)
            self._failed(key, type(error).__name__, str(error))
        else:
            self._queue.forget(key)
            if outcome.after_seconds is not None:
                self._queue.add_after(key, outcome.after_seconds)

    def _failed(self, key: str, reason: str, why: str, *, expected: bool = False) -> None:
        wait = self._queue.add_rate_limited(key)
        self._metrics.reconcile_errors.labels(reason).inc()
        say = _log.info if expected else _log.warning
        say("reconcile again", migration=key, why=why, wait_seconds=round(wait, 3))


def _node_of(pod: dict[str, Any]) -> tuple[str, ...]:
    return (str((pod.get("spec") or {}).get("nodeName") or ""),)


def _namespace_of(obj: dict[str, Any]) -> tuple[str, ...]:
    return (str(obj["metadata"].get("namespace", "")),)
