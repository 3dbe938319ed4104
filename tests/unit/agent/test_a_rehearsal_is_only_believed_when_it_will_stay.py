"""A restored container counts once containerd started it, and only the one that was filled."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podferry.agent import files
from podferry.agent import started as module
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.wire import layout
from podferry.wire.stages import Role
from tests.unit.agent.roles import CID, World, memory_arrived, target


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(module, "START_SECONDS", 0.05)
    return World(tmp_path, monkeypatch)


def rehearsing(world: World, *, restored: bool) -> Side:
    """A side whose memory is here, its container claimed."""
    side = world.side(Role.TARGET, "Rehearsed", "Prepared", facts={"restoring": CID})
    world.claim(side)
    memory_arrived(world, side)
    if restored:
        answer = {"containerID": CID, "seconds": 0.2}
        files.write_json(f"{side.folder}/restored-replacement.json", answer)
    return side


def marker(world: World, path: str = layout.restored_file(CID)) -> Path:
    """What the wrapper leaves until `start` of that container, or until its hook was asked for."""
    place = Path(world.node.local(path))
    place.parent.mkdir(parents=True)
    place.touch()
    return place


async def test_one_that_containerd_never_started_is_no_rehearsal(world: World) -> None:
    side = rehearsing(world, restored=True)
    marker(world)
    with pytest.raises(AgentError, match="NotStarted"):
        await target(world).reach(side, "Rehearsed", None)


async def test_one_that_was_started_is(world: World) -> None:
    side = rehearsing(world, restored=True)
    marker(world).unlink()
    await target(world).reach(side, "Rehearsed", None)
    assert side.facts["rehearsed"] == CID


async def test_one_whose_hook_kubelet_has_not_asked_for_is_not_yet(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_SECONDS", 60)
    side = rehearsing(world, restored=True)
    hook = marker(world, layout.hook_file(CID))
    work = asyncio.create_task(target(world).reach(side, "Rehearsed", None))
    done, _ = await asyncio.wait([work], timeout=0.3)
    assert not done
    hook.unlink()
    await work
    assert side.facts["rehearsed"] == CID


async def test_one_whose_kubelet_never_asks_for_the_hook_is_a_rehearsal_all_the_same(
    world: World,
) -> None:
    side = rehearsing(world, restored=True)
    marker(world, layout.hook_file(CID))
    await target(world).reach(side, "Rehearsed", None)
    assert side.facts["rehearsed"] == CID


async def test_the_order_to_restore_names_the_one_container_that_was_filled(world: World) -> None:
    side = rehearsing(world, restored=True)
    await target(world).reach(side, "Rehearsed", None)
    plan = files.read_json(f"{side.folder}/restore.json")
    assert plan is not None
    assert plan["containerID"] == CID
