"""The watch of memory: one question a node under way, its pace, its back-off; in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from podferry.api.clock import SystemClock
from podferry.api.errors import RetryableError
from podferry.controller.core.rescue.reports import Doubt
from podferry.controller.runtime.agent_client import NONSENSE, AgentRefused
from podferry.controller.runtime.memory_watch import FIRST_AT_ONCE, MemoryWatch
from podferry.wire.memory import Asked, Report

pytestmark = pytest.mark.looptime
QUESTION = Asked(wait=15.0, soft=40.0, horizon=300.0, history=120.0)


def now() -> float:
    return asyncio.get_running_loop().time()


def report(node: str, seq: int, started: float = 1.0, boot: str = "boot") -> Report:
    return Report(
        node=node, boot_id=boot, seq=seq, started=started, age=0.0, interval=1.0, capacity=100.0,
        available=50.0, eviction=5.0, eviction_source="default", urgent=False,
    )  # fmt: skip


@dataclass
class Fleet:
    """Agents that answer when their wait is over, or as `answer` says."""

    nodes: dict[str, str] = field(default_factory=lambda: {"a": "10.0.0.1"})
    question: Asked | None = QUESTION
    answer: Callable[[str, Asked], Report | Exception] | None = None
    asked: list[tuple[float, str, Asked]] = field(default_factory=list)
    under_way: dict[str, int] = field(default_factory=dict)
    most: int = 0
    reports: list[tuple[str, int, float]] = field(default_factory=list)
    silences: list[tuple[str, str, Doubt, float]] = field(default_factory=list)
    breaks: Exception | None = None

    async def memory(self, address: str, asked: Asked) -> Report:
        self.asked.append((now(), address, asked))
        self.under_way[address] = self.under_way.get(address, 0) + 1
        self.most = max(self.most, sum(self.under_way.values()))
        assert self.under_way[address] == 1, "two questions to one node at once"
        try:
            await asyncio.sleep(asked.wait or 0.01)
            if self.answer is None:
                return report(address, max(0, asked.since) + 1)
            found = self.answer(address, asked)
            if isinstance(found, Exception):
                raise found
            return found
        finally:
            self.under_way[address] -= 1

    def on_report(self, node: str, told: Report, received: float) -> None:
        if self.breaks is not None:
            raise self.breaks
        self.reports.append((node, told.seq, received))

    def on_silence(self, node: str, why: str, doubt: Doubt) -> None:
        self.silences.append((node, why, doubt, now()))

    def times(self, address: str) -> list[float]:
        return [at for at, whom, _ in self.asked if whom == address]


@asynccontextmanager
async def watching(fleet: Fleet) -> AsyncIterator[None]:
    watch = MemoryWatch(
        fleet,
        lambda: fleet.nodes.items(),
        lambda: fleet.question,
        on_report=fleet.on_report,
        on_silence=fleet.on_silence,
        clock=SystemClock(monotonic=asyncio.get_running_loop().time),
        rng=random.Random(7),
    )
    task = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_without_a_policy_no_agent_is_asked() -> None:
    fleet = Fleet(question=None)
    async with watching(fleet):
        await asyncio.sleep(60)
    assert fleet.asked == []


async def test_the_first_question_is_answered_at_once_and_the_next_names_the_last_sample() -> None:
    fleet = Fleet()
    async with watching(fleet):
        await asyncio.sleep(20)
    (_, _, first), (_, _, second), *_ = fleet.asked
    assert first == replace(QUESTION, since=-1, wait=0.0)
    assert second == replace(QUESTION, since=1)


async def test_a_calm_node_costs_four_questions_a_minute() -> None:
    fleet = Fleet()
    async with watching(fleet):
        await asyncio.sleep(60)
    assert len(fleet.asked) <= 6
    assert [seq for _, seq, _ in fleet.reports] == [1, 2, 3, 4]


async def test_a_report_comes_with_the_moment_at_which_it_was_received() -> None:
    fleet = Fleet()
    async with watching(fleet):
        await asyncio.sleep(20)
    assert [round(at, 1) for _, _, at in fleet.reports] == [0.0, 15.2]


async def test_an_agent_that_always_answers_at_once_is_not_asked_without_pause() -> None:
    fleet = Fleet(answer=lambda address, asked: report(address, asked.since + 1))
    fleet.question = replace(QUESTION, wait=0.0)
    async with watching(fleet):
        await asyncio.sleep(10)
    assert len(fleet.asked) <= 51


async def test_nodes_come_and_go() -> None:
    fleet = Fleet()
    async with watching(fleet):
        await asyncio.sleep(0.5)
        fleet.nodes = {"b": "10.0.0.2", "no-address-yet": ""}
        await asyncio.sleep(30)
        before = len(fleet.times("10.0.0.1"))
        await asyncio.sleep(30)
    assert len(fleet.times("10.0.0.1")) == before
    assert fleet.times("10.0.0.2")[0] < 2
    assert fleet.times("") == []


async def test_a_node_that_changed_its_address_is_asked_there() -> None:
    fleet = Fleet()
    async with watching(fleet):
        await asyncio.sleep(0.5)
        fleet.nodes = {"a": "10.0.0.9"}
        await asyncio.sleep(2)
    assert fleet.times("10.0.0.9")


async def test_what_an_agent_that_began_anew_kept_is_asked_for_again() -> None:
    def answer(address: str, asked: Asked) -> Report:
        return report(address, 9, started=1.0 if now() < 5 else 2.0)

    fleet = Fleet(answer=answer)
    async with watching(fleet):
        await asyncio.sleep(16)
    assert [asked.since for _, _, asked in fleet.asked][:3] == [-1, 9, -1]


async def test_an_agent_that_is_away_is_asked_again_ever_more_seldom() -> None:
    fleet = Fleet(answer=lambda _address, _asked: RetryableError("AgentUnreachable", "no answer"))
    async with watching(fleet):
        await asyncio.sleep(300)
    pauses = [b - a for a, b in zip(fleet.times("10.0.0.1"), fleet.times("10.0.0.1")[1:],
                                    strict=False)]  # fmt: skip
    assert pauses[0] < 1.2
    assert max(pauses) <= 15.1
    assert len(pauses) < 60
    assert fleet.silences[0][:3] == ("a", "no answer", Doubt.SILENT)


async def test_one_answer_ends_the_back_off() -> None:
    def answer(address: str, asked: Asked) -> Report | Exception:
        if now() < 60 or 100 < now() < 101:
            return RetryableError("AgentUnreachable", "no answer")
        return report(address, asked.since + 1)

    fleet = Fleet(answer=answer)
    fleet.question = replace(QUESTION, wait=0.0)
    async with watching(fleet):
        await asyncio.sleep(103)
    again = [at for at, _, _ in fleet.asked if 100 < at < 103]
    assert again[1] - again[0] < 1.2


async def test_an_answer_of_the_wrong_shape_is_nonsense_and_not_silence() -> None:
    refused = AgentRefused(200, NONSENSE, "seq is 'x', not a whole number from 0")
    fleet = Fleet(answer=lambda _address, _asked: refused)
    async with watching(fleet):
        await asyncio.sleep(1)
    assert fleet.silences[0][:3] == ("a", refused.message, Doubt.NONSENSE)


@pytest.mark.parametrize("where", ["answer", "receiver"])
async def test_what_breaks_us_ends_the_watch_of_no_node(where: str) -> None:
    fleet = Fleet()
    if where == "answer":
        fleet.answer = lambda _address, _asked: ZeroDivisionError("0")
    else:
        fleet.breaks = ZeroDivisionError("0")
    async with watching(fleet):
        await asyncio.sleep(60)
        fleet.answer, fleet.breaks = None, None
        await asyncio.sleep(60)
    assert fleet.silences[0][:3] == ("a", "ZeroDivisionError: 0", Doubt.NONSENSE)
    assert fleet.reports


async def test_a_policy_that_was_away_for_a_moment_is_served_again() -> None:
    fleet = Fleet(answer=lambda address, asked: report(address, asked.since + 1))
    fleet.question = replace(QUESTION, wait=0.0)
    async with watching(fleet):
        await asyncio.sleep(1.5)
        fleet.question = None
        await asyncio.sleep(0.4)  # less than the watch takes to notice
        fleet.question = QUESTION
        await asyncio.sleep(30)
    assert fleet.asked[-1][0] > 2.5


async def test_another_policy_changes_the_next_question() -> None:
    fleet = Fleet()
    async with watching(fleet):
        await asyncio.sleep(1)
        fleet.question = replace(QUESTION, soft=80.0)
        await asyncio.sleep(16)
    assert fleet.asked[-1][2].soft == 80.0


async def test_a_thousand_nodes_are_first_asked_a_few_at_once() -> None:
    fleet = Fleet(nodes={f"n{n}": f"10.0.{n // 250}.{n % 250}" for n in range(1000)})
    fleet.question = replace(QUESTION, wait=15.0)
    seen: list[int] = []
    fleet.answer = lambda address, asked: (
        seen.append(fleet.most) or report(address, asked.since + 1)  # type: ignore[func-returns-value]
    )
    async with watching(fleet):
        await asyncio.sleep(0.15)
        assert max(seen) <= FIRST_AT_ONCE
        await asyncio.sleep(5)
    assert len({node for node, _, _ in fleet.reports}) == 1000


async def test_the_end_of_leadership_leaves_no_question_behind() -> None:
    fleet = Fleet(nodes={f"n{n}": f"10.0.0.{n}" for n in range(20)})
    async with watching(fleet):
        await asyncio.sleep(5)
        assert sum(fleet.under_way.values()) == 20
    assert sum(fleet.under_way.values()) == 0
