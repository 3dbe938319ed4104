"""The watch of memory: one question after another to each node, whatever an answer does."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace

import pytest

from podferry.api.clock import SystemClock
from podferry.api.errors import PodferryError
from podferry.controller.runtime.memory_watch import MemoryWatch
from podferry.wire.memory import Asked, Report
from tests.unit.controller.core.rescue.worlds import report

pytestmark = pytest.mark.looptime


class Cluster:
    """Agents that answer after a second, and a receiver."""

    def __init__(self) -> None:
        self.nodes = {"node-a": "10.0.0.1", "node-b": "10.0.0.2"}
        self.question: Asked | None = Asked(wait=1.0)
        self.told: Counter[str] = Counter()
        self.silent: list[str] = []
        self.asked: list[Asked] = []
        self.started, self.seq = 1.0, 0
        self.breaks = ""

    async def memory(self, address: str, asked: Asked) -> Report:
        self.asked.append(asked)
        await asyncio.sleep(asked.wait)
        if self.breaks == address:
            raise PodferryError("AgentUnreachable", "no route")
        self.seq += 1
        return replace(report(), seq=self.seq, started=self.started)

    def on_report(self, node: str, _report: Report, _at: float) -> None:
        if self.breaks == node:
            raise ValueError("odd")
        self.told[node] += 1

    async def watch(self) -> asyncio.Task[None]:
        watch = MemoryWatch(
            self,
            lambda: self.nodes.items(),
            lambda: self.question,
            on_report=self.on_report,
            on_silence=lambda node, why, _doubt: self.silent.append(f"{node}: {why}"),
            clock=SystemClock(monotonic=asyncio.get_running_loop().time),
            rng=random.Random(1),
        )
        return asyncio.create_task(watch.run())


async def end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_every_node_is_asked_on_and_on_from_the_last_sample() -> None:
    cluster = Cluster()
    task = await cluster.watch()
    await asyncio.sleep(10)
    await end(task)
    assert cluster.told["node-a"] > 5
    assert cluster.told["node-b"] > 5
    assert cluster.asked[0].since == -1
    assert cluster.asked[-1].since > 0


async def test_a_node_is_asked_again_after_a_moment_in_which_nothing_was_asked() -> None:
    """A policy that is deleted and made anew between two looks at the nodes."""
    cluster = Cluster()
    task = await cluster.watch()
    await asyncio.sleep(3.05)
    cluster.question = None
    await asyncio.sleep(0)
    while len([each for each in asyncio.all_tasks() if not each.done()]) > 2:
        await asyncio.sleep(0.1)
    cluster.question = Asked(wait=1.0)
    before = Counter(cluster.told)
    await asyncio.sleep(5)
    await end(task)
    assert cluster.told["node-a"] > before["node-a"]
    assert cluster.told["node-b"] > before["node-b"]


@pytest.mark.parametrize("breaks", ["node-a", "10.0.0.1"])
async def test_what_breaks_one_node_is_silence_of_that_node_and_tried_again(breaks: str) -> None:
    cluster = Cluster()
    cluster.breaks = breaks
    task = await cluster.watch()
    await asyncio.sleep(10)
    assert cluster.told["node-b"] > 5
    assert not cluster.told["node-a"]
    assert cluster.silent[0].startswith("node-a: ")
    cluster.breaks = ""
    await asyncio.sleep(20)
    await end(task)
    assert cluster.told["node-a"]


async def test_an_agent_that_began_anew_is_asked_for_all_that_it_kept() -> None:
    cluster = Cluster()
    del cluster.nodes["node-b"]
    task = await cluster.watch()
    await asyncio.sleep(3)
    cluster.started = 2.0
    count = len(cluster.asked)
    await asyncio.sleep(3)
    await end(task)
    assert -1 in [each.since for each in cluster.asked[count:]]


async def test_a_node_that_is_gone_is_not_asked_any_more() -> None:
    cluster = Cluster()
    task = await cluster.watch()
    await asyncio.sleep(3)
    del cluster.nodes["node-a"]
    await asyncio.sleep(2)
    before = cluster.told["node-a"]
    await asyncio.sleep(5)
    await end(task)
    assert cluster.told["node-a"] == before
