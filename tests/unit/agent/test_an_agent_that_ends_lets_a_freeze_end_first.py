"""SIGTERM in the middle of a move: what an agent stays for, what it refuses, and for how long."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podferry.agent import draining
from podferry.agent.engine import Engine, Side
from podferry.agent.errors import Refused
from podferry.agent.machine import SideState
from podferry.agent.store import Store
from podferry.wire.stages import Observed, Order, Progress, Role, Verdict
from tests.unit.agent.test_engine import UID, Recorder

W, R, F = Progress.WORKING, Progress.REACHED, Progress.FAILED


def side(
    path: Path, role: Role, wanted: str, progress: Progress, *, announced: bool = False
) -> Side:
    store = Store(str(path))
    reached = wanted if progress is R else ""
    order = Order(UID, 1, role, wanted, Verdict.UNDECIDED)
    facts = {draining.ANNOUNCED: True} if announced else {}
    state = SideState(order, Observed(UID, 1, role, reached, wanted, progress, None, facts))
    return Side(state, str(path), store)


@pytest.mark.parametrize(
    ("role", "wanted", "progress", "kept"),
    [
        (Role.SOURCE, "Prepared", W, True),
        (Role.SOURCE, "Prepared", R, False),
        (Role.SOURCE, "Frozen", W, True),
        (Role.SOURCE, "Frozen", R, True),
        (Role.SOURCE, "Frozen", F, True),
        (Role.SOURCE, "Sealed", R, True),
        (Role.SOURCE, "Redirected", W, True),
        (Role.SOURCE, "Redirected", R, False),
        (Role.SOURCE, "Released", R, False),
        (Role.SOURCE, "Thawed", W, True),
        (Role.SOURCE, "Thawed", R, False),
        (Role.TARGET, "Prepared", R, False),
        (Role.TARGET, "Rehearsed", W, True),
        (Role.TARGET, "Rehearsed", R, True),
        (Role.TARGET, "Resumed", W, True),
        (Role.TARGET, "Resumed", R, False),
        (Role.TARGET, "Disarmed", R, False),
        (Role.TARGET, "Aborted", R, False),
        (Role.TARGET, "Forgotten", R, False),
    ],
)
def test_an_agent_stays_for_what_is_frozen_or_worked_on(
    tmp_path: Path, role: Role, wanted: str, progress: Progress, kept: bool
) -> None:
    assert draining.keeps(side(tmp_path, role, wanted, progress)) is kept


def test_a_target_stays_from_the_announcement_of_the_freeze(tmp_path: Path) -> None:
    assert draining.keeps(side(tmp_path, Role.TARGET, "Prepared", R, announced=True))
    assert not draining.keeps(side(tmp_path, Role.TARGET, "Resumed", R, announced=True))
    assert not draining.keeps(side(tmp_path, Role.TARGET, "Disarmed", R, announced=True))


def test_a_draining_agent_begins_no_freeze_and_refuses_nothing_else(tmp_path: Path) -> None:
    freeze = Order(UID, 1, Role.SOURCE, "Frozen", Verdict.UNDECIDED)
    with pytest.raises(Refused) as refused:
        draining.check_begin(freeze, [side(tmp_path, Role.SOURCE, "Prepared", R)])
    assert (refused.value.status, refused.value.reason) == (503, "Draining")
    draining.check_begin(freeze, [side(tmp_path, Role.SOURCE, "Frozen", W)])
    for role, stage in ((Role.SOURCE, "Sealed"), (Role.SOURCE, "Thawed"), (Role.TARGET, "Prepared"),
                        (Role.TARGET, "Rehearsed"), (Role.TARGET, "Disarmed")):  # fmt: skip
        draining.check_begin(Order(UID, 1, role, stage, Verdict.UNDECIDED), [])


async def test_it_ends_when_the_way_back_is_done(tmp_path: Path) -> None:
    recorder = Recorder()
    engine = Engine(Store(str(tmp_path)), {Role.SOURCE: recorder, Role.TARGET: recorder})
    for stage in ("Prepared", "Frozen"):
        frozen = await engine.submit(Order(UID, 1, Role.SOURCE, stage, Verdict.UNDECIDED))
        await engine.wait(frozen, stage, 5)
    waiting = asyncio.create_task(draining.finished(engine.sides, 30))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    thawed = await engine.submit(Order(UID, 1, Role.SOURCE, "Thawed", Verdict.ROLLED_BACK))
    await engine.wait(thawed, "Thawed", 5)
    assert await waiting is True


@pytest.mark.looptime
async def test_a_freeze_that_does_not_end_is_left_to_the_next_agent(tmp_path: Path) -> None:
    stuck = side(tmp_path, Role.SOURCE, "Sealed", R)
    began = asyncio.get_running_loop().time()
    assert await draining.finished(lambda: [stuck]) is False
    took = asyncio.get_running_loop().time() - began
    assert took == pytest.approx(draining.LIMIT_SECONDS, abs=0.5)
