"""What controller tests rely on: the fake behaves like the real API server where it matters."""

from __future__ import annotations

import asyncio
import random

import pytest

from podferry.api.clock import SystemClock
from podferry.kube import errors, paths
from podferry.kube.reflector import Reflector
from tests.fakes.apiserver import FakeApiServer

MIGRATION = {"metadata": {"name": "m"}, "spec": {"cancel": False}, "status": {"phase": "X"}}
POD = {"metadata": {"name": "a", "labels": {"app": "x"}}, "spec": {"nodeName": "n1"}}


async def test_the_status_is_apart_from_the_rest_in_both_directions() -> None:
    async with FakeApiServer() as server:
        client = await server.client()
        made = await client.create(paths.migrations("ns"), MIGRATION)
        assert "status" not in made
        assert made["metadata"]["generation"] == 1
        both = {"spec": {"cancel": True}, "status": {"phase": "Running"}}
        after = await client.merge_patch(paths.migrations("ns", "m", "status"), both)
        assert after["status"] == {"phase": "Running"}
        assert after["spec"] == {"cancel": False}
        assert after["metadata"]["generation"] == 1
        after = await client.merge_patch(
            paths.migrations("ns", "m"), {"spec": {"cancel": True}, "status": {"phase": "Y"}}
        )
        assert after["status"] == {"phase": "Running"}
        assert after["metadata"]["generation"] == 2


async def test_a_status_patch_with_a_stale_version_is_a_conflict() -> None:
    async with FakeApiServer() as server:
        client = await server.client()
        made = await client.create(paths.migrations("ns"), MIGRATION)
        stale = {"resourceVersion": made["metadata"]["resourceVersion"]}
        path = paths.migrations("ns", "m", "status")
        await client.merge_patch(path, {"metadata": stale, "status": {"decision": "Committed"}})
        with pytest.raises(errors.Conflict):
            await client.merge_patch(
                path, {"metadata": stale, "status": {"decision": "RolledBack"}}
            )


async def test_a_write_that_changes_nothing_keeps_the_version() -> None:
    async with FakeApiServer() as server:
        client = await server.client()
        made = await client.create(paths.pods("ns"), POD)
        again = await client.merge_patch(paths.pods("ns", "a"), {"spec": {"nodeName": "n1"}})
        assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_a_finalizer_keeps_a_deleted_object_until_it_is_taken_off() -> None:
    async with FakeApiServer() as server:
        client = await server.client()
        path = paths.migrations("ns", "m")
        await client.create(
            paths.migrations("ns"), {"metadata": {"name": "m", "finalizers": ["f"]}, "spec": {}}
        )
        await client.delete(path)
        assert (server.object(path) or {})["metadata"]["deletionTimestamp"]
        await client.merge_patch(path, {"metadata": {"finalizers": None}})
        assert server.object(path) is None


async def test_a_delete_with_another_uid_is_refused() -> None:
    async with FakeApiServer() as server:
        client = await server.client()
        await client.create(paths.pods("ns"), POD)
        with pytest.raises(errors.Conflict, match="precondition"):
            await client.delete(paths.pods("ns", "a"), body={"preconditions": {"uid": "other"}})
        assert server.object(paths.pods("ns", "a")) is not None


async def test_a_running_pod_ends_by_its_kubelet_or_by_force() -> None:
    async with FakeApiServer() as server:
        client = await server.client()
        path = paths.pods("ns", "a")
        await client.create(paths.pods("ns"), POD)
        await client.delete(path)
        assert (server.object(path) or {})["metadata"]["deletionTimestamp"]
        server.finish_deletion(path)
        assert server.object(path) is None
        await client.create(paths.pods("ns"), POD)
        await client.delete(path, body={"gracePeriodSeconds": 0})
        assert server.object(path) is None


async def test_apply_removes_what_its_manager_no_longer_wants_and_nothing_else() -> None:
    async with FakeApiServer() as server:
        client = await server.client()
        path = paths.configmaps("ns", "c")
        await client.apply(path, {"data": {"a": "1", "b": "2"}}, field_manager="podferry")
        await client.merge_patch(path, {"data": {"other": "3"}})
        await client.apply(path, {"data": {"a": "9"}}, field_manager="podferry")
        assert (server.object(path) or {})["data"] == {"a": "9", "other": "3"}


async def test_a_watch_sees_a_label_that_goes_as_a_deletion() -> None:
    async with FakeApiServer() as server:
        client = await server.client()
        version = (await client.list(paths.pods("ns")))["metadata"]["resourceVersion"]
        events = client.watch(
            paths.pods("ns"), resource_version=version, params={"labelSelector": "app=x"}
        )
        await client.create(paths.pods("ns"), POD)
        await client.merge_patch(paths.pods("ns", "a"), {"metadata": {"labels": None}})
        seen = [(await asyncio.wait_for(anext(events), 2))["type"] for _ in range(2)]
        assert seen == ["ADDED", "DELETED"]
        await events.aclose()


async def test_selectors_choose_by_label_and_by_field() -> None:
    async with FakeApiServer() as server:
        client = await server.client()
        server.seed(paths.pods("ns"), POD)
        for params, count in [
            ({"labelSelector": "app in (x, y),!z"}, 1),
            ({"labelSelector": "app!=x"}, 0),
            ({"fieldSelector": "spec.nodeName=n1,metadata.name=a"}, 1),
            ({"fieldSelector": "spec.nodeName!=n1"}, 0),
        ]:
            found = await client.list(paths.pods(None), params=params)
            assert len(found["items"]) == count, params


async def test_a_reflector_survives_a_compaction_and_sees_what_it_missed() -> None:
    async with FakeApiServer(bookmark_seconds=0.05) as server:
        reflector = Reflector(
            await server.client(),
            paths.pods(None),
            clock=SystemClock(monotonic=asyncio.get_running_loop().time),
            rng=random.Random(1),
        )
        task = asyncio.create_task(reflector.run())
        await asyncio.wait_for(reflector.synced.wait(), 2)
        server.seed(paths.pods("ns"), POD)
        server.compact()
        async with asyncio.timeout(3):
            while reflector.store.get("ns/a") is None:
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_eviction_deletes_and_a_binding_places() -> None:
    async with FakeApiServer(pods_end_at_once=True) as server:
        client = await server.client()
        await client.create(paths.pods("ns"), {"metadata": {"name": "a"}, "spec": {}})
        await client.create(paths.pods("ns", "a", "binding"), {"target": {"name": "n2"}})
        assert (server.object(paths.pods("ns", "a")) or {})["spec"]["nodeName"] == "n2"
        await client.create(paths.pods("ns", "a", "eviction"), {"metadata": {"name": "a"}})
        assert server.object(paths.pods("ns", "a")) is None
