"""The queue of keys; delays run in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from podferry.kube.workqueue import QueueShutDown, WorkQueue

pytestmark = pytest.mark.looptime


async def test_a_key_added_twice_is_worked_on_once() -> None:
    queue = WorkQueue()
    assert queue.add("ns/a")
    assert queue.add("ns/a")
    assert await queue.get() == "ns/a"
    queue.done("ns/a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 1)


async def test_a_key_is_never_worked_on_by_two_at_once_but_comes_again() -> None:
    queue = WorkQueue()
    queue.add("ns/a")
    assert await queue.get() == "ns/a"
    queue.add("ns/a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 1)
    queue.done("ns/a")
    assert await asyncio.wait_for(queue.get(), 1) == "ns/a"


async def test_different_keys_are_worked_on_in_parallel_in_order() -> None:
    queue = WorkQueue()
    queue.add("ns/a")
    queue.add("ns/b")
    assert [await queue.get(), await queue.get()] == ["ns/a", "ns/b"]


async def test_of_two_delays_the_earlier_counts() -> None:
    queue = WorkQueue()
    loop = asyncio.get_running_loop()
    start = loop.time()
    queue.add_after("ns/a", 100)
    queue.add_after("ns/a", 10)
    queue.add_after("ns/a", 50)
    assert await queue.get() == "ns/a"
    assert loop.time() - start == pytest.approx(10, abs=0.1)
    queue.done("ns/a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 1000)


async def test_the_backoff_of_a_key_doubles_up_to_its_cap_and_is_forgotten() -> None:
    queue = WorkQueue(base_seconds=1, cap_seconds=5)
    assert [queue.add_rate_limited("a") for _ in range(4)] == [1, 2, 4, 5]
    assert queue.add_rate_limited("b") == 1
    assert queue.failures("a") == 4
    queue.forget("a")
    assert queue.add_rate_limited("a") == 1


async def test_a_full_queue_refuses_new_keys_and_counts_them() -> None:
    queue = WorkQueue(max_keys=2)
    assert queue.add("a")
    assert queue.add("b")
    assert not queue.add("c")
    assert queue.add("a"), "a key that waits already is no new key"
    assert queue.dropped == 1


async def test_shutting_down_wakes_every_worker_and_drops_delays() -> None:
    queue = WorkQueue()
    queue.add_after("a", 5)
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.shut_down()
    ended = await asyncio.gather(*workers, return_exceptions=True)
    assert all(isinstance(end, QueueShutDown) for end in ended)
    assert not queue.add("b")
    assert queue.delayed == 0
