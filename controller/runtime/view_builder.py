"""Builds the View of one Migration: what the pure core may use for its decision.

Owns which parts are read live and which come from the stores: the Migration, its source and
target pods and its owner are read from the quorum at every step; other Migrations, nodes and the
history come from the stores. Reads run side by side, because some of them happen while a workload
is frozen. Never decides and never writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import structlog

from podferry.api.clock import Clock
from podferry.api.errors import PodferryError
from podferry.api.migration import Migration, WorkloadKind
from podferry.controller.core import budgets, places
from podferry.controller.core.view import ClaimView, Limits, Need, NodeView, View
from podferry.controller.runtime import claims
from podferry.controller.runtime.agent_client import AgentClient
from podferry.controller.runtime.metrics import is_terminal
from podferry.controller.runtime.node_view import address_of, node_view
from podferry.controller.runtime.observe import NodeObserver, Observations
from podferry.controller.runtime.parsed import Parsed
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.kube.store import Store
from podferry.strategies.container.moves import MoveRecord, merged, records
from podferry.wire.stages import Role

Object = dict[str, Any]
Parse = Callable[[Object], Migration]
Prefetched = dict[str, Object | None]
"""What was read from the quorum just now, by path; None: it does not exist."""

FACTS_RETRY_SECONDS = 2.0
"""A node without facts is asked again at once if the last try is older [s]."""
BY_NAMESPACE = "namespace"
BY_NODE = "node"
"""Names of the indexes that the pods' store must have."""

OWNER_PATHS: dict[str, Callable[[str, str], str]] = {
    "ReplicaSet": paths.replicasets,
    "StatefulSet": paths.statefulsets,
    "Job": paths.jobs,
}

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stores:
    """What the reflectors mirror: Migrations, opted-in pods, nodes."""

    migrations: Store
    pods: Store
    nodes: Store
    requested: Callable[[str], int] = lambda _node: 0
    """Memory that all pods of a node request, those included that never opted in [bytes]."""


class ViewBuilder:
    """Reads; see the module."""

    def __init__(
        self,
        client: ApiClient,
        agents: AgentClient,
        stores: Stores,
        observations: Observations,
        observer: NodeObserver,
        *,
        clock: Clock,
        parse: Parse,
        limits: Limits | None = None,
        ending: Callable[[], bool] = lambda: False,
    ) -> None:
        self._ending = ending
        self._needed: Callable[[Migration], Need | None] = lambda _migration: None
        self._kept_moves: Callable[[], tuple[MoveRecord, ...]] = tuple
        self._started: dict[str, Migration] = {}
        self._limits = limits or Limits()
        self._client, self._agents, self._stores = client, agents, stores
        self._observations, self._observer = observations, observer
        self._clock, self._parse = clock, parse
        self._views: dict[str, tuple[Object, int, Object | None, NodeView]] = {}
        self._parsed = Parsed(stores.migrations, parse)

    def ask_need(self, needed: Callable[[Migration], Need | None]) -> None:
        """Say who knows whether a rescue's move is still needed; it needs our nodes first."""
        self._needed = needed

    def remember(self, kept_moves: Callable[[], tuple[MoveRecord, ...]]) -> None:
        """Say who knows moves whose Migrations may be gone."""
        self._kept_moves = kept_moves

    async def prefetch(self, namespace: str, name: str) -> Prefetched:
        """Read what the last known status of a Migration names, beside the Migration itself.

        A round trip less while a workload is frozen. `build` reads what is missing; nothing is
        used for longer than one reconcile. Raises ApiError.
        """
        known = self._stores.migrations.get(f"{namespace}/{name}")
        try:
            migration = None if known is None else self._parse(known)
        except PodferryError:
            migration = None
        if migration is None or migration.status.source is None or is_terminal(migration):
            return {}
        names = self._live_names(migration, self._stored_pods(namespace))
        wanted = [paths.pods(namespace, pod) for pod in names]
        wanted += [path for path in (_owner_path(migration),) if path]
        found = await asyncio.gather(*(self._get(path) for path in wanted))
        return dict(zip(wanted, found, strict=True))

    async def build(self, migration: Migration, prefetched: Prefetched | None = None) -> View:
        """Return the View. Raises ApiError when something that matters cannot be read.

        Args:
            migration: as it was read from the quorum just now.
            prefetched: what `prefetch` read in this same reconcile.
        """
        accepted = migration.status.source is not None
        fresh = prefetched or {}
        quotas: tuple[Object, ...] = ()
        kept: tuple[Object, ...] = ()
        found: dict[str, ClaimView] = {}
        if accepted:
            pods, owner, namespace, _ = await asyncio.gather(
                self._live_pods(migration, fresh),
                self._owner(migration, fresh),
                self._namespace(migration),
                self._ask_sides(migration),
            )
        else:
            namespace, _ = await asyncio.gather(self._namespace(migration), self._ask_nodes())
            pods = await self._all_pods(migration.namespace)
            owner = await self._owner_of_workload(migration, pods)
            answer = await self._client.list(paths.resource_quotas(migration.namespace))
            quotas = tuple(answer["items"])
            kept = await self._budgets(migration)
            found = await claims.read(self._client, migration.namespace, _opted_in(pods))
        view = self._view(migration, pods, owner)
        return replace(view, namespace=namespace, quotas=quotas, budgets=kept, claims=found)

    async def _budgets(self, migration: Migration) -> tuple[Object, ...]:
        """The disruption budgets that this Migration keeps."""
        if not budgets.are_kept(migration):
            return ()
        answer = await self._client.list(paths.disruption_budgets(migration.namespace))
        return tuple(answer["items"])

    async def _namespace(self, migration: Migration) -> Object | None:
        """The namespace, as long as it may still object."""
        if migration.status.freeze_epoch > 0 or is_terminal(migration):
            return None
        return await self._get(paths.namespaces(migration.namespace))

    def decided(self, migration: Migration) -> None:
        """Count what was decided just now before it is written, and before the store shows it.

        Called without a wait after `build`: of two Migrations that are looked at side by side
        the second sees that the first took the place. After a failed write the next look at the
        same Migration corrects it. What an earlier leader decided is in the store.
        """
        if places.holds_places(migration):
            self._started[migration.uid] = migration
        else:
            self._started.pop(migration.uid, None)

    def _view(
        self,
        migration: Migration,
        pods: dict[str, Object],
        owner: Object | None,
    ) -> View:
        active, history = self._other_migrations(migration)
        attempt = migration.status.attempt
        observations = self._observations
        source, source_age = observations.side((migration.uid, attempt, Role.SOURCE.value))
        target, target_age = observations.side((migration.uid, attempt, Role.TARGET.value))
        return View(
            migration=migration,
            now=self._clock.now(),
            pods=pods,
            nodes=self.nodes(),
            owner=owner,
            others=tuple(one for one in active if one.namespace == migration.namespace),
            active=active,
            limits=self._limits,
            ending=self._ending(),
            need=None if migration.status.freeze_epoch > 0 else self._needed(migration),
            history=history,
            source=source,
            source_age_seconds=source_age,
            target=target,
            target_age_seconds=target_age,
            probe=observations.probe(migration.uid, attempt),
        )

    def nodes(self) -> dict[str, NodeView]:
        """Return all nodes as values, from the store; made anew only where something changed."""
        views: dict[str, tuple[Object, int, Object | None, NodeView]] = {}
        for raw in self._stores.nodes.list():
            name = str(raw["metadata"]["name"])
            facts, requested = self._observations.facts(name), self._stores.requested(name)
            old = self._views.get(name)
            if old and old[0] is raw and old[1] == requested and old[2] is facts:
                views[name] = old
            else:
                view = node_view(raw, requested={name: requested}, facts=facts)
                views[name] = (raw, requested, facts, view)
        self._views = views
        return {name: it[-1] for name, it in views.items()}

    def _other_migrations(
        self, migration: Migration
    ) -> tuple[tuple[Migration, ...], tuple[MoveRecord, ...]]:
        active: list[Migration] = []
        history: list[Migration] = []
        self._forget_gone({raw["metadata"]["uid"] for raw in self._stores.migrations.list()})
        for other in self._parsed.all():
            if other.uid == migration.uid:
                continue
            if not is_terminal(other):
                active.append(other)
            elif other.status.measured is not None:
                history.append(other)
        known = merged(self._kept_moves(), records(history))
        return tuple(places.overlay(active, self._started)), known

    def _forget_gone(self, present: set[str]) -> None:
        for uid in set(self._started) - present:
            del self._started[uid]

    async def _live_pods(self, migration: Migration, fresh: Prefetched) -> dict[str, Object]:
        """Pods of the namespace: source and target as they are now, the rest from the store."""
        pods = self._stored_pods(migration.namespace)
        names = self._live_names(migration, pods)
        found = await asyncio.gather(
            *(self._read(paths.pods(migration.namespace, name), fresh) for name in names)
        )
        for name, pod in zip(names, found, strict=True):
            if pod is None:
                pods.pop(name, None)
            else:
                pods[name] = pod
        return pods

    def _stored_pods(self, namespace: str) -> dict[str, Object]:
        stored = self._stores.pods.by_index(BY_NAMESPACE, namespace)
        return {str(pod["metadata"]["name"]): pod for pod in stored}

    def _live_names(self, migration: Migration, pods: dict[str, Object]) -> list[str]:
        """Pods that must be read live: both ends, and what is ours before the status names it."""
        ends = (migration.status.source, migration.status.target)
        wanted = {end.pod for end in ends if end is not None and end.pod}
        wanted |= {name for name, pod in pods.items() if _belongs(pod, migration.uid)}
        return sorted(wanted)

    async def _all_pods(self, namespace: str) -> dict[str, Object]:
        answer = await self._client.list(paths.pods(namespace))
        return {str(pod["metadata"]["name"]): pod for pod in answer["items"]}

    async def _owner(self, migration: Migration, fresh: Prefetched) -> Object | None:
        owner, path = migration.status.owner, _owner_path(migration)
        if owner is None or not path:
            return None
        raw = await self._read(path, fresh)
        # Another object of the same name is not the owner.
        return raw if raw is not None and raw["metadata"]["uid"] == owner.uid else None

    async def _owner_of_workload(
        self, migration: Migration, pods: dict[str, Object]
    ) -> Object | None:
        reference, namespace = migration.spec.workload_ref, migration.namespace
        if reference.kind is WorkloadKind.POD:
            pod = pods.get(reference.name) or {"metadata": {}}
            for owner in pod["metadata"].get("ownerReferences") or []:
                if owner.get("controller") and owner.get("kind") in OWNER_PATHS:
                    return await self._get(OWNER_PATHS[owner["kind"]](namespace, owner["name"]))
            return None
        if reference.kind is WorkloadKind.DEPLOYMENT:
            return await self._replica_set(namespace, reference.name)
        if reference.kind.value in OWNER_PATHS:
            return await self._get(OWNER_PATHS[reference.kind.value](namespace, reference.name))
        return None

    async def _replica_set(self, namespace: str, deployment: str) -> Object | None:
        """Return the Deployment's ReplicaSet that has pods, the newest revision of several."""
        answer = await self._client.list(paths.replicasets(namespace))
        mine = [
            item
            for item in answer["items"]
            if any(
                owner.get("kind") == "Deployment" and owner.get("name") == deployment
                for owner in item["metadata"].get("ownerReferences") or []
            )
        ]
        return max(mine, key=_replica_set_rank, default=None)

    async def _read(self, path: str, fresh: Prefetched) -> Object | None:
        return fresh[path] if path in fresh else await self._get(path)

    async def _get(self, path: str) -> Object | None:
        try:
            return await self._client.get(path)
        except errors.NotFound:
            return None

    async def _ask_sides(self, migration: Migration) -> None:
        """Ask both agents if their last answers are older than a second; silence is no error."""
        status = migration.status
        if status.attempt < 1 or is_terminal(migration):
            return
        questions: list[Awaitable[None]] = []
        for role, end in ((Role.SOURCE, status.source), (Role.TARGET, status.target)):
            key = (migration.uid, status.attempt, role.value)
            if end is not None and end.address and self._observations.is_due(key):
                questions.append(self._ask_side(end.address, key))
        await asyncio.gather(*questions)

    async def _ask_side(self, address: str, key: tuple[str, int, str]) -> None:
        try:
            observed = await self._agents.observe(address, *key)
        except PodferryError as error:
            _log.warning("agent not reached", migration=key[0], role=key[2], why=error.message)
            return
        if observed is not None:
            self._observations.put_side(observed)

    async def _ask_nodes(self) -> None:
        """Before a target is chosen, do not take an agent for missing just because we are new."""
        asked = []
        for raw in self._stores.nodes.list():
            name, address = str(raw["metadata"]["name"]), address_of(raw)
            old = self._observations.facts_tried_seconds_ago(name) > FACTS_RETRY_SECONDS
            if address and old and self._observations.facts(name) is None:
                asked.append(self._observer.ask(name, address))
        await asyncio.gather(*asked)


def _owner_path(migration: Migration) -> str:
    """Path of the owner, "" if there is none that we read."""
    owner = migration.status.owner
    if owner is None or owner.kind not in OWNER_PATHS:
        return ""
    return OWNER_PATHS[owner.kind](migration.namespace, owner.name)


def _replica_set_rank(raw: Object) -> tuple[bool, int]:
    annotations = raw["metadata"].get("annotations") or {}
    revision = str(annotations.get("deployment.kubernetes.io/revision", "0"))
    replicas = int((raw.get("spec") or {}).get("replicas") or 0)
    return replicas > 0, int(revision) if revision.isdigit() else 0


def _opted_in(pods: dict[str, Object]) -> list[Object]:
    label = "podferry.dev/migratable"
    return [pod for pod in pods.values() if (pod["metadata"].get("labels") or {}).get(label)]


def _belongs(pod: Object, uid: str) -> bool:
    annotations = pod["metadata"].get("annotations") or {}
    return str(annotations.get("podferry.dev/restore", "")).startswith(uid + ".")
