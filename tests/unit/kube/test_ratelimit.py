"""Rates: the virtual one exactly, the real one roughly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from podferry.api.clock import SystemClock
from podferry.kube.ratelimit import ClockLimiter, RateLimiter, ThrottleLimiter


async def passes(limiter: RateLimiter, callers: int) -> list[tuple[int, float]]:
    loop = asyncio.get_running_loop()
    start = loop.time()
    order: list[tuple[int, float]] = []

    async def one(number: int) -> None:
        await limiter.acquire()
        order.append((number, loop.time() - start))

    await asyncio.gather(*(one(number) for number in range(callers)))
    return order


@pytest.mark.looptime
async def test_the_virtual_limiter_lets_two_a_second_through_in_order() -> None:
    clock = SystemClock(monotonic=asyncio.get_running_loop().time)
    order = await passes(ClockLimiter(limit=2, clock=clock), 6)
    assert [number for number, _ in order] == list(range(6))
    assert [round(when) for _, when in order] == [0, 0, 1, 1, 2, 2]


async def test_the_real_limiter_lets_its_limit_through_and_then_waits() -> None:
    order = await passes(ThrottleLimiter(limit=3, period_seconds=0.2), 6)
    assert [number for number, _ in order] == list(range(6))
    assert order[2][1] < 0.1
    assert order[3][1] >= 0.2


@pytest.mark.parametrize(
    "make", [ThrottleLimiter, lambda limit: ClockLimiter(limit=limit, clock=SystemClock())]
)
def test_a_limit_of_nothing_is_refused(make: Callable[..., RateLimiter]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        make(limit=0)
