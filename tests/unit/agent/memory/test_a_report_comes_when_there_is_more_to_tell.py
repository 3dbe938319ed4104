"""When a waiting controller is answered: a change, a pod, urgency, the end of its wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podferry.agent.errors import Refused
from podferry.wire.memory import Asked, Report
from tests.unit.agent.memory.nodes import MIB, OTHER, FakeNode

PERCENT = 3072 * MIB / 100


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    """A node with one pod that uses a third of its memory, sampled once."""
    found = FakeNode(tmp_path)
    found.pod()
    found.use(1000 * MIB)
    found.sample()
    return found


async def ask(node: FakeNode, since: int, **other: float) -> asyncio.Task[Report]:
    """Ask and let the question begin to wait."""
    node.sampler.listen()
    task = asyncio.create_task(
        node.sampler.report(Asked(since=since, wait=60, **other))  # type: ignore[arg-type]
    )
    await asyncio.sleep(0)
    return task


async def settle(task: asyncio.Task[Report]) -> bool:
    """Whether it is answered now."""
    for _ in range(5):
        await asyncio.sleep(0)
    return task.done()


async def answered(task: asyncio.Task[Report]) -> Report:
    """The answer, which must be there now and not at the end of the wait."""
    assert await settle(task)
    return task.result()


async def test_who_knows_nothing_is_answered_at_once(node: FakeNode) -> None:
    report = await answered(await ask(node, -1))
    assert (report.seq, report.urgent) == (0, False)


async def test_a_change_of_less_than_a_percent_waits(node: FakeNode) -> None:
    task = await ask(node, 0)
    node.use(int(1000 * MIB + 0.9 * PERCENT))
    node.sample()
    node.sampler.tell()
    assert not await settle(task)
    node.use(int(1000 * MIB + 1.1 * PERCENT))
    node.sample()
    node.sampler.tell()
    assert (await answered(task)).seq == 2


async def test_small_changes_add_up(node: FakeNode) -> None:
    task = await ask(node, 0)
    for step in range(1, 4):
        assert not await settle(task)
        node.use(int(1000 * MIB - step * 0.4 * PERCENT))
        node.sample(60)
        node.sampler.tell()
    assert (await answered(task)).seq == 3


async def test_a_pod_that_came_or_went_is_told(node: FakeNode) -> None:
    task = await ask(node, 0)
    folder = node.pod(OTHER)
    node.sample()
    node.sampler.tell()
    assert {pod.uid for pod in (await answered(task)).pods} >= {OTHER}
    task = await ask(node, 1)
    for each in folder.iterdir():
        each.unlink()
    folder.rmdir()
    node.sample()
    node.sampler.tell()
    assert OTHER not in {pod.uid for pod in (await answered(task)).pods}


async def test_every_sample_of_an_urgent_node_is_told(node: FakeNode) -> None:
    for seq in range(3):
        task = await ask(node, seq, soft=80)
        assert not await settle(task)
        node.sample()
        node.sampler.tell()
        report = await answered(task)
        assert (report.seq, report.urgent) == (seq + 1, True)
        assert "2072 MiB are available, less than 80 % of 3072 MiB" in report.why
        assert len(report.samples) == 1  # those since the last report
        assert len(report.pods[0].samples) == 1


async def test_that_a_node_is_urgent_no_more_is_told(node: FakeNode) -> None:
    node.use(1030 * MIB)
    node.sample()
    task = await ask(node, 1, soft=67)
    node.use(1010 * MIB)
    node.sample(60)
    node.sampler.tell()
    report = await answered(task)
    assert (report.urgent, report.why) == (False, "")
    assert len(report.samples) == 1


async def test_the_end_of_the_wait_answers_without_news(node: FakeNode) -> None:
    node.sampler.listen()
    report = await node.sampler.report(Asked(since=0, wait=0.01))
    assert report.seq == 0


async def test_the_end_of_the_agent_answers_who_waits(node: FakeNode) -> None:
    task = await ask(node, 0)
    node.sampler.close()
    assert (await answered(task)).seq == 0


async def test_samples_of_an_agent_that_was_here_before_are_not_known(node: FakeNode) -> None:
    report = await answered(await ask(node, 5000, soft=100))
    assert (report.seq, report.started) == (0, 1795566478.0)
    assert len(report.samples) == 1


async def test_an_agent_without_a_sample_says_why(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    (node.proc / "meminfo").write_text("nonsense\n")
    node.sample()
    with pytest.raises(Refused, match="there is no MemTotal") as refused:
        await node.sampler.report(Asked())
    assert refused.value.status == 503


async def test_the_history_of_an_urgent_node_reaches_as_far_as_asked(node: FakeNode) -> None:
    for _ in range(20):
        node.sample()
    report = await answered(await ask(node, -1, soft=100, history=10))
    assert [age for age, _ in report.samples] == [float(age) for age in range(10, -1, -1)]
    assert Report.from_dict(report.to_dict()) == report
    quiet = await answered(await ask(node, -1))
    assert len(quiet.samples) == 1
    assert quiet.pods[0].samples == ()
