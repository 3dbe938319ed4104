"""Disarmed: unresumable for good, nothing destroyed; after a commit the proof that it never ran."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent import files
from podferry.agent.errors import AgentError, Refused
from podferry.agent.machine import Ruling, rule
from podferry.wire.stages import Order, Role, Verdict
from tests.unit.agent.roles import World, target
from tests.unit.agent.test_machine import REHEARSED, order, refused, walk

DISARM = order("Disarmed", role=Role.TARGET, verdict=Verdict.ROLLED_BACK)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


async def test_its_frozen_tasks_and_images_stay(world: World) -> None:
    side = world.side(Role.TARGET, "Disarmed", "Rehearsed", verdict=Verdict.ROLLED_BACK)
    world.claim(side)
    images = Path(side.ram) / "images"
    images.mkdir(parents=True)
    await target(world).reach(side, "Disarmed", None)
    assert world.calls == []
    assert images.exists()
    assert world.marks() == "ABORTED"
    restore = files.read_json(f"{side.folder}/restore.json")
    assert restore is not None
    assert restore["action"] == "refuse"


async def test_after_a_commit_it_is_attested_only_without_tasks(world: World) -> None:
    side = world.side(Role.TARGET, "Disarmed", "Rehearsed", verdict=Verdict.COMMITTED)
    world.claim(side)
    with pytest.raises(AgentError, match="TasksLeft"):
        await target(world).reach(side, "Disarmed", None)
    assert world.marks() == ""
    world.group.tasks = []
    await target(world).reach(side, "Disarmed", None)
    assert world.marks() == "ABORTED"


@pytest.mark.parametrize("marker", ["RESUMING", "RESUMED"])
async def test_one_that_may_have_run_is_not_disarmed(world: World, marker: str) -> None:
    side = world.side(Role.TARGET, "Disarmed", "Rehearsed", verdict=Verdict.ROLLED_BACK)
    world.claim(side)
    world.group.tasks = []
    files.write_json(f"{side.folder}/{marker}", {})
    with pytest.raises(AgentError, match="MayRun"):
        await target(world).reach(side, "Disarmed", None)
    assert world.marks() == marker


def test_it_needs_a_decision() -> None:
    state = walk(*REHEARSED)
    undecided = order("Disarmed", role=Role.TARGET)
    assert refused(state, undecided) == "VerdictMissing"
    assert refused(state, DISARM, resuming=True) == "VerdictMissing"
    assert rule(state, DISARM, highest=1)[0] is Ruling.WORK


@pytest.mark.parametrize("stage", ["Prepared", "Rehearsed", "Resumed", "Forgotten"])
def test_nothing_but_the_end_follows_it(stage: str) -> None:
    state = walk(*REHEARSED, DISARM)
    wanted: Order = order(stage, role=Role.TARGET, verdict=Verdict.COMMITTED)
    assert refused(state, wanted) == "AttemptEnded"
    with pytest.raises(Refused):
        rule(rule(walk(*REHEARSED), DISARM, highest=1)[1], wanted, highest=1)
    abort = order("Aborted", role=Role.TARGET, verdict=Verdict.ROLLED_BACK)
    assert rule(state, abort, highest=1)[0] is Ruling.WORK


def test_a_committed_resume_gives_way_to_it_while_nothing_resumes() -> None:
    resume = order("Resumed", role=Role.TARGET, verdict=Verdict.COMMITTED)
    _, state = rule(walk(*REHEARSED), resume, highest=1)
    attest = order("Disarmed", role=Role.TARGET, verdict=Verdict.COMMITTED)
    assert rule(state, attest, highest=1)[0] is Ruling.WORK
    assert refused(state, attest, resuming=True) == "VerdictMissing"
