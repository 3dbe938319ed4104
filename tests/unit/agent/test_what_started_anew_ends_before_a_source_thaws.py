"""A target whose node rebooted before the last page: its loss is seen, its new container ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent import files, pages, started_anew
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.wire.stages import Role, Verdict
from tests.unit.agent.roles import CID, World, target


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def paging(world: World, boot: str) -> Side:
    side = world.side(
        Role.TARGET, "Disarmed", "Resumed", copy="PostCopy", verdict=Verdict.ROLLED_BACK
    )
    side.note(lazyBoot=boot, containerID=CID)
    files.write_json(f"{side.folder}/RESUMED", {"podUID": "u", "containerID": CID})
    return side


def note_start(side: Side, boot: str = "boot-1") -> None:
    noted = {"containerID": "cd" * 32, "podUID": "u", "wrapperPID": 99, "bootID": boot}
    files.write_json(f"{side.folder}/again.json", noted)


@pytest.mark.parametrize(("boot", "lost"), [("boot-0", True), ("boot-1", False)])
def test_pages_are_lost_when_the_node_was_rebooted_under_their_daemon(
    world: World, boot: str, lost: bool
) -> None:
    assert pages.lost(world.node, paging(world, boot)) is lost


def test_a_daemon_that_had_every_page_lost_none_in_a_reboot(world: World) -> None:
    side = paging(world, "boot-0")
    Path(f"{side.folder}/lazy-pages.rc").write_text("0")
    assert not pages.lost(world.node, side)


async def test_giving_the_target_up_kills_what_kubelet_started_anew(world: World) -> None:
    side = paging(world, "boot-0")
    note_start(side)
    await target(world).reach(side, "Disarmed", None)
    assert world.calls == ["kill[ABORTED+RESUMED]"]
    assert side.has("ABORTED")


def test_a_start_of_an_earlier_boot_is_over(world: World) -> None:
    side = paging(world, "boot-0")
    note_start(side, boot="boot-0")
    started_anew.end(world.node, side)
    assert world.calls == []


def test_a_create_that_does_not_end_keeps_the_source_frozen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(started_anew, "CREATE_SECONDS", 0.05)
    side = paging(world, "boot-0")
    note_start(side)
    (world.wrapper / "cmdline").write_text("runc\0create\0" + "cd" * 32)
    with pytest.raises(AgentError, match="started anew"):
        started_anew.end(world.node, side)
    assert world.calls == []
