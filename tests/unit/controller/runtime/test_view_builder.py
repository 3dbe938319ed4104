"""What is read live, what comes from the stores, and what is not read at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from podferry.api.clock import FakeClock
from podferry.api.migration import (
    Endpoint,
    Measured,
    Migration,
    MigrationSpec,
    MigrationStatus,
    OwnerRef,
    WorkloadKind,
    WorkloadRef,
)
from podferry.controller.runtime.agent_client import AgentUnreachable
from podferry.controller.runtime.observe import Observations
from podferry.controller.runtime.view_builder import BY_NAMESPACE, Stores, ViewBuilder
from podferry.kube import paths
from podferry.kube.client import ApiClient
from podferry.kube.store import Store
from podferry.wire.stages import Observed, Progress, Role
from tests.fakes.apiserver import FakeApiServer

ACCEPTED = MigrationStatus(
    phase="Freezing",
    attempt=1,
    owner=OwnerRef("ReplicaSet", "web-rs", "rs-uid"),
    source=Endpoint(node="node-a", address="10.0.0.1", pod="web-1"),
    target=Endpoint(node="node-b", address="10.0.0.2", pod="web-2"),
)


def migration(status: MigrationStatus, kind: WorkloadKind = WorkloadKind.DEPLOYMENT) -> Migration:
    spec = MigrationSpec(WorkloadRef(kind, "web"))
    return Migration("default", "move", "mig", 1, "1", False, (), "", spec, status)


@dataclass
class FakeAgents:
    asked: list[tuple[str, str]] = field(default_factory=list)
    silent: bool = False

    async def observe(self, address: str, uid: str, attempt: int, role: str) -> Observed:
        self.asked.append((address, role))
        if self.silent:
            raise AgentUnreachable("AgentUnreachable", "no answer")
        return Observed(uid, attempt, Role(role), "Prepared", "Frozen", Progress.WORKING)


@dataclass
class FakeObserver:
    asked: list[str] = field(default_factory=list)

    async def ask(self, node: str, address: str) -> None:
        self.asked.append(node)


@dataclass
class World:
    server: FakeApiServer
    client: ApiClient
    clock: FakeClock
    agents: FakeAgents
    observer: FakeObserver
    stores: Stores
    builder: ViewBuilder

    def pod(self, name: str, **metadata: Any) -> dict[str, Any]:
        raw = {"metadata": {"name": name, "namespace": "default", **metadata},
               "spec": {"containers": []}}  # fmt: skip
        return self.server.seed(paths.pods("default", name), raw)

    def reads(self) -> list[str]:
        return [seen.path for seen in self.server.requests]


def by_namespace(obj: dict[str, Any]) -> list[str]:
    return [obj["metadata"]["namespace"]]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeApiServer() as server:
        client, clock = await server.client(), FakeClock()
        stores = Stores(Store(), Store(indexers={BY_NAMESPACE: by_namespace}), Store())
        agents, observer = FakeAgents(), FakeObserver()
        builder = ViewBuilder(
            client,
            agents,  # type: ignore[arg-type]
            stores,
            Observations(clock),
            observer,  # type: ignore[arg-type]
            clock=clock,
            parse=lambda raw: raw["parsed"],
        )
        rs = {"metadata": {"name": "web-rs", "namespace": "default",
                           "ownerReferences": [{"kind": "Deployment", "name": "web"}]},
              "spec": {"replicas": 1}}  # fmt: skip
        server.seed(paths.replicasets("default", "web-rs"), rs)
        yield World(server, client, clock, agents, observer, stores, builder)
        await client.close()


async def test_source_and_target_are_read_live_even_if_the_store_knows_them(world: World) -> None:
    old = world.pod("web-1")
    world.stores.pods.put(old)
    world.server.patch(paths.pods("default", "web-1"), {"metadata": {"labels": {"new": "yes"}}})
    view = await world.builder.build(migration(ACCEPTED))
    assert view.pods["web-1"]["metadata"]["labels"] == {"new": "yes"}
    assert "web-2" not in view.pods


async def test_a_pod_that_is_gone_is_not_taken_from_the_store(world: World) -> None:
    world.stores.pods.put(world.pod("web-1"))
    world.server.remove(paths.pods("default", "web-1"))
    assert "web-1" not in (await world.builder.build(migration(ACCEPTED))).pods


async def test_a_claimed_pod_that_the_status_does_not_name_yet_is_read_live(world: World) -> None:
    world.stores.pods.put(world.pod("web-9", annotations={"podferry.dev/restore": "mig.1"}))
    world.stores.pods.put(world.pod("other"))
    view = await world.builder.build(migration(ACCEPTED))
    assert paths.pods("default", "web-9") in world.reads()
    assert paths.pods("default", "other") not in world.reads()
    assert set(view.pods) == {"web-9", "other"}


async def test_an_owner_of_the_same_name_with_another_uid_is_no_owner(world: World) -> None:
    assert (await world.builder.build(migration(ACCEPTED))).owner is None
    found = world.server.object(paths.replicasets("default", "web-rs"))
    assert found is not None
    owner = OwnerRef("ReplicaSet", "web-rs", found["metadata"]["uid"])
    view = await world.builder.build(migration(replace(ACCEPTED, owner=owner)))
    assert view.owner == found


async def test_agents_are_asked_when_their_answers_are_older_than_a_second(world: World) -> None:
    move = migration(ACCEPTED)
    view = await world.builder.build(move)
    assert sorted(world.agents.asked) == [("10.0.0.1", "source"), ("10.0.0.2", "target")]
    assert view.source is not None
    assert view.source.stage == "Prepared"
    world.clock.advance(0.9)
    view = await world.builder.build(move)
    assert len(world.agents.asked) == 2
    assert view.target_age_seconds == pytest.approx(0.9)
    world.clock.advance(0.2)
    await world.builder.build(move)
    assert len(world.agents.asked) == 4


async def test_what_was_prefetched_is_not_read_twice_and_the_rest_is_read(world: World) -> None:
    world.pod("web-1")
    world.pod("web-2")
    known = replace(ACCEPTED, target=Endpoint(node="node-b", address="10.0.0.2"))
    metadata = {"name": "move", "namespace": "default", "uid": "mig"}
    world.stores.migrations.put({"metadata": metadata, "parsed": migration(known)})
    prefetched = await world.builder.prefetch("default", "move")
    assert set(prefetched) == {
        paths.pods("default", "web-1"),
        paths.replicasets("default", "web-rs"),
    }
    frozen = replace(ACCEPTED, freeze_epoch=1)
    view = await world.builder.build(migration(frozen), prefetched)
    assert set(view.pods) == {"web-1", "web-2"}
    assert sorted(world.reads()) == sorted([*prefetched, paths.pods("default", "web-2")])


async def test_a_silent_agent_is_no_error_but_its_answer_grows_old(world: World) -> None:
    await world.builder.build(migration(ACCEPTED))
    world.agents.silent = True
    world.clock.advance(5)
    view = await world.builder.build(migration(ACCEPTED))
    assert view.source_age_seconds == 5
    assert view.source is not None


async def test_before_acceptance_pods_that_did_not_opt_in_are_seen_too(world: World) -> None:
    world.pod("plain")
    view = await world.builder.build(migration(MigrationStatus(), WorkloadKind.POD))
    assert "plain" in view.pods
    assert world.agents.asked == []


async def test_the_replica_set_with_pods_of_the_newest_revision_is_the_owner(world: World) -> None:
    for name, replicas, revision in (("old", 0, "7"), ("new", 1, "2"), ("newest", 1, "10")):
        metadata = {"name": name, "namespace": "default",
                    "annotations": {"deployment.kubernetes.io/revision": revision},
                    "ownerReferences": [{"kind": "Deployment", "name": "web"}]}  # fmt: skip
        raw = {"metadata": metadata, "spec": {"replicas": replicas}}
        world.server.seed(paths.replicasets("default", name), raw)
    view = await world.builder.build(migration(MigrationStatus()))
    assert view.owner is not None
    assert view.owner["metadata"]["name"] == "newest"


async def test_nodes_without_facts_are_asked_before_a_target_is_chosen(world: World) -> None:
    addresses = [{"type": "InternalIP", "address": "10.0.0.1"}]
    world.stores.nodes.put({"metadata": {"name": "node-a"}, "status": {"addresses": addresses}})
    view = await world.builder.build(migration(MigrationStatus()))
    assert world.observer.asked == ["node-a"]
    assert view.nodes["node-a"].facts is None
    await world.builder.build(migration(ACCEPTED))
    assert world.observer.asked == ["node-a"]


async def test_a_node_is_made_anew_only_where_something_changed(world: World) -> None:
    for name in ("node-a", "node-b"):
        world.stores.nodes.put({"metadata": {"name": name, "resourceVersion": "1"}})
    first = world.builder.nodes()
    world.stores.nodes.put(
        {"metadata": {"name": "node-a", "resourceVersion": "2"}, "spec": {"unschedulable": True}}
    )
    second = world.builder.nodes()
    assert second["node-b"] is first["node-b"]
    assert second["node-a"].cordoned


async def test_a_node_is_made_anew_when_its_pods_request_more(world: World) -> None:
    requested = {"node-a": 1}
    stores = replace(world.stores, requested=lambda node: requested[node])
    builder = ViewBuilder(
        world.client, world.agents, stores, Observations(world.clock), world.observer,  # type: ignore[arg-type]
        clock=world.clock, parse=lambda raw: raw["parsed"],
    )  # fmt: skip
    stores.nodes.put({"metadata": {"name": "node-a", "resourceVersion": "1"}})
    assert builder.nodes()["node-a"].requested_bytes == 1
    requested["node-a"] = 2
    assert builder.nodes()["node-a"].requested_bytes == 2


async def test_others_are_of_the_namespace_and_history_of_the_whole_cluster(world: World) -> None:
    def stored(name: str, namespace: str, status: MigrationStatus) -> None:
        parsed = replace(migration(status), name=name, namespace=namespace, uid=name)
        metadata = {"name": name, "namespace": namespace, "uid": name}
        world.stores.migrations.put({"metadata": metadata, "parsed": parsed})

    measured = Measured(freeze_seconds=1)
    over = MigrationStatus(
        phase="Succeeded", measured=measured, completed_at="2026-01-01T00:00:00Z"
    )
    stored("going", "default", ACCEPTED)
    stored("elsewhere", "other", ACCEPTED)
    stored("over", "other", over)
    view = await world.builder.build(migration(ACCEPTED))
    assert [other.name for other in view.others] == ["going"]
    assert [move.uid for move in view.history] == ["over"]


async def test_the_namespace_is_read_until_the_freeze_and_not_within_it(world: World) -> None:
    world.server.seed(paths.namespaces("default"), {"metadata": {"name": "default"}})
    before = await world.builder.build(migration(ACCEPTED))
    assert before.namespace is not None
    frozen = await world.builder.build(migration(replace(ACCEPTED, freeze_epoch=1)))
    assert frozen.namespace is None
    assert world.reads().count(paths.namespaces("default")) == 1


async def test_a_start_that_was_decided_counts_before_the_store_shows_it(world: World) -> None:
    first = replace(migration(MigrationStatus()), name="first", uid="first", namespace="else")
    metadata = {"name": "first", "namespace": "else", "uid": "first"}
    world.stores.migrations.put({"metadata": metadata, "parsed": first})
    assert (await world.builder.build(migration(ACCEPTED))).active == (first,)
    world.builder.decided(replace(first, status=ACCEPTED))
    view = await world.builder.build(migration(ACCEPTED))
    assert [one.status.source for one in view.active] == [ACCEPTED.source]
    assert view.others == ()


async def test_budgets_are_read_for_what_keeps_them_and_only_before_it_is_accepted(
    world: World,
) -> None:
    path = paths.disruption_budgets("default")
    world.server.seed(f"{path}/tight", {"metadata": {"name": "tight", "namespace": "default"}})
    asked = migration(MigrationStatus())
    assert (await world.builder.build(asked)).budgets == ()
    by_eviction = replace(asked, requested_by="eviction")
    found = (await world.builder.build(by_eviction)).budgets
    assert [raw["metadata"]["name"] for raw in found] == ["tight"]
    world.server.requests.clear()
    await world.builder.build(replace(by_eviction, status=ACCEPTED))
    assert path not in world.reads()
