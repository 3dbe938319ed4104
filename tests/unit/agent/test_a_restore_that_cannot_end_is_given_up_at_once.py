"""What a target does once its wrapper or its pages are gone: a workload is frozen meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podferry.agent import files
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.wire.stages import Role, Verdict
from tests.unit.agent.roles import CID, World, committed, memory_arrived, target


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def rehearsing(world: World) -> tuple[Side, asyncio.Task[None]]:
    side = world.side(Role.TARGET, "Rehearsed", "Prepared", facts={"restoring": CID})
    world.claim(side)
    memory_arrived(world, side)
    return side, asyncio.create_task(target(world).reach(side, "Rehearsed", None))


async def test_a_wrapper_that_dies_in_its_restore_ends_the_rehearsal(world: World) -> None:
    side, rehearsal = rehearsing(world)
    while (files.read_json(f"{side.folder}/restore.json") or {}).get("action") != "restore":
        await asyncio.wait([rehearsal], timeout=0.01)
        assert not rehearsal.done()
    (world.wrapper / "stat").write_text("99 (python3) Z 1")
    with pytest.raises(AgentError, match="RestoreInterrupted"):
        await rehearsal


async def test_a_target_without_its_pages_is_not_resumed(world: World) -> None:
    side = committed(world)
    world.claim(side)
    side.state.order.params["copy"] = "PostCopy"
    Path(f"{side.folder}/lazy-pages.rc").write_text("137\n")
    with pytest.raises(AgentError, match="PagesLost"):
        await target(world).reach(side, "Resumed", None)
    assert world.marks() == ""
    assert world.calls == []


@pytest.mark.parametrize(("again", "lost"), [(False, False), (True, True)])
async def test_of_a_memory_that_is_served_twice_only_the_second_daemon_counts(
    world: World, again: bool, lost: bool
) -> None:
    params = {"verdict": Verdict.COMMITTED, "copy": "PostCopy", "sameName": True}
    side = world.side(Role.TARGET, "Resumed", "Rehearsed", **params)
    Path(f"{side.folder}/lazy-pages.rc").write_text("1\n")
    if again:
        Path(f"{side.folder}/again").touch()
    assert (await target(world).live_facts(side))["pagesLost"] is lost


@pytest.mark.parametrize("marker", ["", "RESUMED"])
async def test_a_target_without_its_pages_is_killed_once_it_is_unresumable(
    world: World, marker: str
) -> None:
    verdict = Verdict.ROLLED_BACK if marker else Verdict.COMMITTED
    side = world.side(Role.TARGET, "Disarmed", "Rehearsed", verdict=verdict, copy="PostCopy")
    world.claim(side)
    if marker:
        files.write_json(f"{side.folder}/{marker}", {"podUID": "pod-1"})
    Path(f"{side.folder}/lazy-pages.rc").write_text("137\n")
    await target(world).reach(side, "Disarmed", None)
    assert world.calls == [f"kill[{'+'.join(sorted(['ABORTED', *filter(None, [marker])]))}]"]


async def test_after_a_failed_last_restore_the_next_create_is_held_and_tried_again(
    world: World,
) -> None:
    params = {"verdict": Verdict.COMMITTED, "sameName": True}
    facts = {"rehearsed": "cd" * 32, "restoring": CID}
    side = world.side(Role.TARGET, "Resumed", "Rehearsed", facts=facts, **params)
    world.claim(side, role="final")
    (world.wrapper / "stat").write_text("99 (python3) Z 1")
    files.write_json(f"{side.folder}/restore.json", {"action": "refuse"})
    resuming = asyncio.create_task(target(world).reach(side, "Resumed", None))
    await asyncio.wait([resuming], timeout=0.2)
    resuming.cancel()
    ordered = files.read_json(f"{side.folder}/restore.json")
    assert ordered is not None
    assert (ordered["action"], ordered["roles"]) == ("hold", ["final"])
