"""A replica that is told to end: no freeze is left alone, and the webhook answers for a while."""

from __future__ import annotations

import asyncio

import pytest

from podferry.controller.runtime.ending import (
    LINGER_SECONDS,
    SETTLE_SECONDS,
    STEP_DOWN_SECONDS,
    Ending,
)

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


class Campaign:
    """Leads until cancelled; `let_go` is when the Lease was given back."""

    def __init__(self, error: Exception | None = None) -> None:
        self.let_go: float | None = None
        self._error = error

    async def run(self) -> None:
        try:
            if self._error is not None:
                raise self._error
            await asyncio.Event().wait()
        finally:
            self.let_go = now()


async def ends(ending: Ending, campaign: Campaign) -> float:
    """Tell it to end now; returns when it had ended [s from now]."""
    began = now()
    task = asyncio.create_task(ending.end_in_order(asyncio.ensure_future(campaign.run())))
    await asyncio.sleep(0)
    ending.tell()
    await task
    assert campaign.let_go is not None
    campaign.let_go -= began
    return now() - began


async def test_a_leader_lets_go_once_nothing_is_frozen() -> None:
    ending, campaign = Ending(), Campaign()
    until = now() + 20
    ending.lead(lambda: int(now() < until))
    total = await ends(ending, campaign)
    assert campaign.let_go == pytest.approx(20, abs=0.2)
    assert total == pytest.approx(20, abs=0.2)


async def test_without_a_freeze_it_lets_go_at_once_and_serves_on() -> None:
    ending, campaign = Ending(), Campaign()
    ending.lead(lambda: 0)
    total = await ends(ending, campaign)
    assert campaign.let_go == pytest.approx(SETTLE_SECONDS, abs=0.1)
    assert total == pytest.approx(LINGER_SECONDS, abs=0.2)


async def test_what_was_ordered_just_before_the_signal_is_seen() -> None:
    ending, campaign = Ending(), Campaign()
    began = now()
    ending.lead(lambda: int(began + 0.3 < now() < began + 9))
    await ends(ending, campaign)
    assert campaign.let_go == pytest.approx(9, abs=0.2)


async def test_a_freeze_without_an_end_is_left_to_the_next_leader() -> None:
    ending, campaign = Ending(), Campaign()
    ending.lead(lambda: 1)
    await ends(ending, campaign)
    assert campaign.let_go == pytest.approx(STEP_DOWN_SECONDS, abs=0.3)


async def test_a_replica_that_does_not_lead_waits_for_no_move() -> None:
    ending, campaign = Ending(), Campaign()
    assert await ends(ending, campaign) == pytest.approx(LINGER_SECONDS, abs=0.2)
    assert campaign.let_go == pytest.approx(0, abs=0.1)


async def test_a_lost_lease_ends_it_with_its_error() -> None:
    campaign = Campaign(RuntimeError("lost"))
    with pytest.raises(RuntimeError, match="lost"):
        await Ending().end_in_order(asyncio.ensure_future(campaign.run()))


async def test_cancelled_it_gives_the_lease_back_before_it_ends() -> None:
    campaign = Campaign()
    task = asyncio.create_task(Ending().end_in_order(asyncio.ensure_future(campaign.run())))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert campaign.let_go is not None
