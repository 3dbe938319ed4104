"""Rounds of pressure: nodes become short of memory at once, and Migrations are waited for.

Owns the RescuePolicy of the measurement and the watch that sees its Migrations come. A Migration is
timed from the moment at which a played agent sent the first urgent report of its node to the moment
at which the watch event of the new object arrived here, so the API server's part is in it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any

from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from tools.bench_scale import objects
from tools.bench_scale.objects import Size
from tools.bench_scale.run import Bench, press, seen

NAME = "bench"
POLICY: dict[str, Any] = {
    "apiVersion": "podferry.dev/v1alpha1",
    "kind": "RescuePolicy",
    "metadata": {"name": NAME},
    "spec": {
        "mode": "Act",
        "detector": {"name": "time-to-exhaustion"},
        "victim": {"name": "steepest-slope", "args": {"otherwise": {"name": "big-enough"}}},
        "target": {"name": "least-used", "args": {"rankBooked": True}},
        "budgets": {"perCluster": 200, "outPerNode": 1, "inPerNode": 1, "coolDownSeconds": 0},
    },
}
ROUND_SECONDS = 90.0
KNOWN_SECONDS = 300.0


class Arrivals:
    """When the first Migration of each node arrived, by a watch of our own."""

    def __init__(self, client: ApiClient, size: Size) -> None:
        self._client, self._size = client, size
        self.first: dict[str, float] = {}
        self.seen = 0

    async def run(self) -> None:
        """Watch until cancelled, also over restarts of the API server."""
        version = ""
        while True:
            with suppress(errors.ApiError):
                if not version:
                    listed = await self._client.list(paths.migrations(None))
                    version = str(listed["metadata"]["resourceVersion"])
                watch = self._client.watch(paths.migrations(None), resource_version=version)
                async with aclosing(watch) as events:
                    async for event in events:
                        version = self._take(event)
            await asyncio.sleep(0.05)

    def _take(self, event: dict[str, Any]) -> str:
        if event["type"] == "ERROR":
            return ""
        if event["type"] == "ADDED":
            self.seen += 1
            pod = str(event["object"]["spec"]["workloadRef"]["name"])
            self.first.setdefault(node_of(pod, self._size), time.monotonic())
        return str(event["object"]["metadata"]["resourceVersion"])


def node_of(pod: str, size: Size) -> str:
    """Return the node of a pod by its name, see `objects.pod`."""
    _, workload, _, replica = pod.split("-")
    return objects.node_name((int(workload) * objects.REPLICAS + int(replica)) % size.nodes)


async def begin(bench: Bench) -> None:
    """Create the policy, and wait until every node is known to it."""
    press([])
    began = time.monotonic()
    await bench.client.create(paths.rescue_policies(), POLICY)
    await known_again(bench)
    bench.figures["known_seconds"] = round(time.monotonic() - began, 1)
    bench.say(f"all nodes known after {bench.figures['known_seconds']} s")


async def known_again(bench: Bench) -> None:
    """Wait until a status written from now on knows every node. Raises TimeoutError."""
    began, status = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), {}
    for _ in range(int(KNOWN_SECONDS * 2)):
        bench.keep_controller()
        with suppress(errors.ApiError):
            status = (await bench.client.get(paths.rescue_policies(NAME))).get("status") or {}
        full = status.get("nodesSelected") == bench.size.nodes and not status.get("nodesUnknown")
        if full and status.get("evaluatedAt", "") >= began:
            return
        await asyncio.sleep(0.5)
    raise TimeoutError(f"the policy's status after {KNOWN_SECONDS:.0f} s: {str(status)[:600]}")


async def round_of(
    bench: Bench, nodes: list[str], name: str, *, sample: float = 0.0
) -> dict[str, Any]:
    """Press nodes, wait for their Migrations, measure, take the pressure away and tidy up."""
    arrivals = Arrivals(bench.client, bench.size)
    watching = asyncio.create_task(arrivals.run())
    try:
        await asyncio.sleep(0.5)
        press(nodes)
        deadline = time.monotonic() + ROUND_SECONDS
        while not set(nodes) <= set(arrivals.first) and time.monotonic() < deadline:
            bench.keep_controller()
            await asyncio.sleep(0.2)
        told = seen()["first"]
        if sample:
            await bench.sample(name, sample)
        press([])
    finally:
        watching.cancel()
        await asyncio.wait([watching])
    took = [arrivals.first[each] - told[each] for each in nodes if each in arrivals.first]
    strangers = sorted(set(arrivals.first) - set(nodes))
    slowest = f"{max(took, default=0.0):.2f} s"
    came = f"{len(took)} of {len(nodes)} Migrations, {len(strangers)} of other nodes"
    bench.say(f"{name}: {came}, the slowest after {slowest}")
    await _tidy(bench)
    return {"nodes": len(nodes), "took": [round(each, 3) for each in took],
            "migrations": arrivals.seen, "strangers": len(strangers)}  # fmt: skip


async def _tidy(bench: Bench) -> None:
    """Delete all Migrations and wait until the controller let them go."""
    for _ in range(120):
        found = (await bench.client.list(paths.migrations(None)))["items"]
        if not found:
            return
        for each in found:
            metadata = each["metadata"]
            with suppress(errors.NotFound):
                await bench.client.delete(paths.migrations(metadata["namespace"], metadata["name"]))
        await asyncio.sleep(1)
        bench.keep_controller()
    raise TimeoutError("Migrations are not gone 120 s after they were deleted; see controller.log")
