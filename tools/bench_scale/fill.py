"""Puts nodes, workloads and pods into the API server, and waits until KWOK made them run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from tools.bench_scale import objects
from tools.bench_scale.objects import Size

AT_ONCE = 48
Say = Callable[[str], None]


async def fill(client: ApiClient, size: Size, say: Say) -> dict[str, float]:
    """Make everything; return how long each kind took [s]."""
    took: dict[str, float] = {}

    async def timed(name: str, jobs: Iterable[Awaitable[Any]]) -> list[Any]:
        began = time.monotonic()
        found = await _all(jobs)
        took[name] = round(time.monotonic() - began, 1)
        say(f"{name}: {len(found)} made in {took[name]} s")
        return found

    await timed("namespaces", (_namespace(client, number) for number in range(size.namespaces)))
    await timed(
        "nodes", (client.create(paths.nodes(), objects.node(each)) for each in range(size.nodes))
    )
    owners = await timed(
        "workloads", (_workload(client, each, size) for each in range(size.workloads))
    )
    await timed("pods", (create_pod(client, each, size, owners) for each in range(size.pods)))
    return took


async def _namespace(client: ApiClient, number: int) -> None:
    name = f"team-{number:02d}"
    await client.create(paths.namespaces(), {"metadata": {"name": name}})
    path = paths.resource("v1", "serviceaccounts", namespace=name)
    await client.create(path, {"metadata": {"name": "default"}})


async def _workload(client: ApiClient, workload: int, size: Size) -> str:
    """Return the uid of the ReplicaSet."""
    namespace = objects.namespace_name(workload, size)
    body = objects.deployment(workload, size)
    made = await client.create(paths.deployments(namespace), body)
    body = objects.replica_set(workload, size, made["metadata"]["uid"])
    made = await client.create(paths.replicasets(namespace), body)
    return str(made["metadata"]["uid"])


async def create_pod(client: ApiClient, number: int, size: Size, owners: list[str]) -> None:
    """Make one pod; `owners` are the uids of the ReplicaSets."""
    workload = number // objects.REPLICAS
    body = objects.pod(number, size, owners[workload])
    await client.create(paths.pods(objects.namespace_name(workload, size)), body)


async def _all(jobs: Iterable[Awaitable[Any]]) -> list[Any]:
    """Results in the order of the jobs, AT_ONCE of them under way."""
    pending = iter(enumerate(jobs))
    results: dict[int, Any] = {}

    async def work() -> None:
        for number, job in pending:
            results[number] = await job

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return [results[number] for number in sorted(results)]


async def wait_running(client: ApiClient, size: Size, *, seconds: float = 1800) -> float:
    """Wait until every pod runs; return how long that took [s].

    Raises:
        TimeoutError: not after `seconds`.
    """
    began = time.monotonic()
    params = {"fieldSelector": "status.phase!=Running", "limit": 1}
    while time.monotonic() - began < seconds:
        try:
            page = await client.raw("GET", paths.pods(None), params=params)
        except errors.Timeout:
            continue
        if not page["items"]:
            return time.monotonic() - began
        await asyncio.sleep(2)
    raise TimeoutError(f"pods of {size.pods} do not run after {seconds:.0f} s; see kwok.log")


async def uids_by_node(client: ApiClient) -> dict[str, list[str]]:
    """Uids of the running pods of each node, read page by page."""
    found: dict[str, list[str]] = {}
    params: dict[str, Any] = {"limit": 500}
    while True:
        page = await client.raw("GET", paths.pods(None), params=params)
        for pod in page["items"]:
            found.setdefault(pod["spec"]["nodeName"], []).append(pod["metadata"]["uid"])
        params["continue"] = page["metadata"].get("continue")
        if not params["continue"]:
            return found
