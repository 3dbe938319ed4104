"""PostCopy: what to do with a target whose pages do not come depends on whether it may have run."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent import files
from podferry.agent.errors import AgentError
from podferry.wire.stages import Role, Verdict
from tests.unit.agent.roles import World, committed, target


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


async def test_one_that_never_ran_is_ended_so_that_the_move_is_taken_back(world: World) -> None:
    side = world.side(Role.TARGET, "Rehearsed", "Rehearsed", copy="PostCopy")
    world.claim(side)
    Path(f"{side.folder}/lazy-pages.rc").write_text("137")
    await target(world).tend([side])
    facts = await target(world).live_facts(side)
    assert (facts["alive"], facts["neverRan"]) == (False, True)


async def test_one_that_never_ran_is_not_resumed(world: World) -> None:
    side = committed(world, copy="PostCopy")
    world.claim(side)
    Path(f"{side.folder}/lazy-pages.rc").write_text("137")
    with pytest.raises(AgentError, match="PagesLost"):
        await target(world).reach(side, "Resumed", None)
    assert world.marks() == ""


async def test_what_is_left_is_removed_once_it_is_given_up(world: World) -> None:
    side = world.side(
        Role.TARGET, "Forgotten", "Resumed", copy="PostCopy", giveUp=True,
        verdict=Verdict.COMMITTED,
    )  # fmt: skip
    files.write_json(f"{side.folder}/RESUMING", {})
    images = Path(side.folder) / "images"
    images.mkdir()
    Path(f"{side.folder}/lazy-pages.rc").write_text("137")
    await target(world).reach(side, "Forgotten", None)
    assert not images.exists()
