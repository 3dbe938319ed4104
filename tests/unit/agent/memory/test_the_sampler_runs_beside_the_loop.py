"""The sampler's thread: it samples until it is closed, whatever the wall clock or a defect does."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from podferry.agent.memory import cgroups, telling
from podferry.agent.memory.sampler import Sampler
from podferry.wire.memory import Asked
from tests.unit.agent.memory.nodes import FakeNode

ALWAYS = 100.0


@pytest.fixture
def sampler(tmp_path: Path) -> Iterator[Sampler]:
    node = FakeNode(tmp_path)
    node.pod()
    tree = cgroups.Tree(str(node.mount), str(node.proc / "meminfo"))
    found = Sampler(tree, str(node.proc), telling.About("node-a", "boot", 1.0, 0.01))
    yield found
    found.close()


def threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == "memory"}


async def follow(sampler: Sampler, count: int) -> list[int]:
    """Numbers of `count` reports, each of which waited for the one after it."""
    found = [-1]
    for _ in range(count):
        report = await sampler.report(Asked(since=found[-1], wait=30, soft=ALWAYS))
        found.append(report.seq)
    return found[1:]


async def test_samples_go_on_until_it_is_closed(sampler: Sampler) -> None:
    sampler.sample()
    before = threads()
    sampler.start()
    found = await follow(sampler, 5)
    assert found == sorted(set(found))
    (thread,) = threads() - before
    sampler.close()
    await asyncio.to_thread(thread.join, 30)
    assert not thread.is_alive()


async def test_a_wall_clock_that_jumps_changes_nothing(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler.listen()
    for jump in (0.0, -1e9, 1e9):
        monkeypatch.setattr(time, "time", lambda jump=jump: 1.8e9 + jump)
        sampler.sample()
    report = await sampler.report(Asked(soft=ALWAYS))
    ages = [age for age, _ in report.samples]
    assert len(ages) == 3
    assert ages == sorted(ages, reverse=True)
    assert 0 <= ages[-1] <= ages[0] < 60
    assert report.started == 1.0


async def test_a_sample_that_breaks_is_counted_and_not_the_last(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def errors() -> float:
        name = "podferry_agent_memory_sample_errors_total"
        return REGISTRY.get_sample_value(name, {"reason": "internal"}) or 0.0

    real, calls = sampler.sample, iter(range(1000))

    def sample() -> None:
        if next(calls) == 1:
            raise RuntimeError("a defect")
        real()

    monkeypatch.setattr(sampler, "sample", sample)
    before = errors()
    real()
    sampler.start()
    await follow(sampler, 4)
    assert errors() == before + 1
