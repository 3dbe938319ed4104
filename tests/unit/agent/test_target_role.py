"""What the target does in which order."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podferry.agent import files, pages
from podferry.agent.errors import AgentError, Refused
from podferry.agent.ops import signals
from podferry.wire.stages import Role, Verdict
from tests.unit.agent.roles import CID, World, committed, memory_arrived, target


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


async def test_resuming_is_durable_before_the_thaw_and_resumed_after_it(world: World) -> None:
    side = committed(world)
    world.claim(side)
    await target(world).reach(side, "Resumed", None)
    assert world.calls == ["thaw[RESUMING]", "lower_shield"]
    resumed = files.read_json(f"{side.folder}/RESUMED")
    assert resumed is not None
    assert resumed["podUID"] == "pod-1"
    assert side.facts["resumedPodUID"] == "pod-1"


async def test_a_crash_between_resuming_and_resumed_ends_resumed(world: World) -> None:
    side = committed(world)
    world.claim(side)
    files.write_json(f"{side.folder}/RESUMING", {"podUID": "pod-1"})
    await target(world).reach(side, "Resumed", None)
    assert world.marks() == "RESUMED+RESUMING"


async def test_a_crash_after_resumed_thaws_nothing_again(world: World) -> None:
    side = committed(world)
    world.claim(side)
    files.write_json(f"{side.folder}/RESUMED", {"podUID": "pod-1"})
    await target(world).reach(side, "Resumed", None)
    assert world.calls == ["lower_shield"]


async def test_another_container_than_the_rehearsed_one_is_not_resumed(world: World) -> None:
    side = committed(world)
    world.claim(side, container="cd" * 32)
    with pytest.raises(AgentError, match="ContainerChanged"):
        await target(world).reach(side, "Resumed", None)
    assert world.calls == []
    assert world.marks() == ""


async def test_a_dead_target_is_reported_and_leaves_no_resuming(world: World) -> None:
    side = committed(world)
    world.claim(side)
    world.group.tasks = []
    with pytest.raises(AgentError, match="TargetDead"):
        await target(world).reach(side, "Resumed", None)
    facts = await target(world).live_facts(side)
    assert facts["neverRan"] is True


async def test_an_aborted_target_is_not_resumed_whatever_the_order_says(world: World) -> None:
    side = committed(world)
    world.claim(side)
    files.write_json(f"{side.folder}/ABORTED", {})
    with pytest.raises(AgentError, match="Aborted"):
        await target(world).reach(side, "Resumed", None)
    assert world.calls == []


async def test_a_target_is_durably_aborted_before_it_is_killed(world: World) -> None:
    side = world.side(Role.TARGET, "Aborted", "Rehearsed", verdict=Verdict.ROLLED_BACK)
    world.claim(side)
    await target(world).reach(side, "Aborted", None)
    assert world.calls == ["kill[ABORTED]", "lower_shield"]
    restore = files.read_json(f"{side.folder}/restore.json")
    assert restore is not None
    assert restore["action"] == "refuse"


@pytest.mark.parametrize("marker", ["RESUMING", "RESUMED"])
async def test_a_target_that_may_run_is_not_killed(world: World, marker: str) -> None:
    side = world.side(Role.TARGET, "Aborted", "Rehearsed", verdict=Verdict.ROLLED_BACK)
    world.claim(side)
    files.write_json(f"{side.folder}/{marker}", {})
    with pytest.raises(AgentError, match="MayRun"):
        await target(world).reach(side, "Aborted", None)
    assert world.calls == []


async def test_what_still_comes_through_the_source_is_reset_before_the_target_is_forgotten(
    world: World,
) -> None:
    side = world.side(Role.TARGET, "Forgotten", "Resumed", verdict=Verdict.COMMITTED)
    await target(world).reach(side, "Forgotten", None)
    assert world.calls[0] == "reset_forwarded"


async def test_a_target_is_forgotten_only_once_its_pages_arrived(world: World) -> None:
    side = world.side(Role.TARGET, "Forgotten", "Resumed", copy="PostCopy")
    images = Path(side.ram) / "images"
    images.mkdir(parents=True)
    waiting = asyncio.create_task(target(world).reach(side, "Forgotten", None))
    await asyncio.wait([waiting], timeout=0.1)
    assert images.exists()
    Path(f"{side.folder}/lazy-pages.rc").write_text("0\n")
    await waiting
    assert not images.exists()


async def test_a_target_that_lost_its_pages_is_frozen_and_keeps_what_arrived(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = world.side(Role.TARGET, "Forgotten", "Resumed", copy="PostCopy")
    files.write_json(f"{side.folder}/RESUMING", {})
    Path(f"{side.folder}/lazy-pages.rc").write_text("1\n")
    await target(world).tend([side])
    await target(world).tend([side])
    assert world.calls == ["freeze"]
    facts = await target(world).live_facts(side)
    assert (facts["pagesLost"], facts["mayHaveRun"]) == (True, True)
    with pytest.raises(AgentError, match="PagesLost"):
        await target(world).reach(side, "Forgotten", None)


async def test_a_restore_that_the_wrapper_finished_while_the_agent_was_away_is_taken(
    world: World,
) -> None:
    side = world.side(Role.TARGET, "Rehearsed", "Prepared", facts={"restoring": CID})
    world.claim(side)
    (world.wrapper / "stat").unlink()
    memory_arrived(world, side)
    files.write_json(
        f"{side.folder}/restored-replacement.json", {"containerID": CID, "seconds": 0.2}
    )
    await target(world).reach(side, "Rehearsed", None)
    assert side.facts["restoreSeconds"] == 0.2
    assert world.calls == []


async def test_a_claim_whose_wrapper_died_is_not_held(world: World) -> None:
    side = world.side(Role.TARGET, "Prepared", "Prepared")
    world.claim(side)
    assert (await target(world).live_facts(side))["claimed"] is True
    (world.wrapper / "stat").write_text("99 (python3) Z 1")
    assert (await target(world).live_facts(side))["claimed"] is False


@pytest.mark.parametrize("stage", ["Rehearsed", "Aborted"])
def test_no_stream_is_taken_once_the_rehearsal_was_ordered(world: World, stage: str) -> None:
    side = world.side(Role.TARGET, stage, "Prepared")
    with pytest.raises(Refused):
        target(world).upload(side, "images", "dump")


async def test_a_page_server_that_failed_fails_the_rehearsal(world: World) -> None:
    side = world.side(Role.TARGET, "Rehearsed", "Prepared")
    Path(f"{side.folder}/page-server.rc").write_text("1")
    with pytest.raises(AgentError, match="PageServerFailed"):
        await pages.server_finished(side, seconds=1)


async def test_a_target_that_was_told_to_end_while_frozen_is_ended_before_it_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "told_to_end", lambda _pids: "SIGTERM")
    side = committed(world)
    world.claim(side)
    with pytest.raises(AgentError, match="TargetGivenUp"):
        await target(world).reach(side, "Resumed", None)
    assert "kill" in world.calls
    assert not side.has("RESUMING")


async def test_one_that_may_have_run_is_never_ended_for_a_signal(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "told_to_end", lambda _pids: "SIGTERM")
    side = committed(world)
    world.claim(side)
    files.write_json(f"{side.folder}/RESUMING", {"podUID": "pod-1"})
    await target(world).reach(side, "Resumed", None)
    assert "kill" not in world.calls
