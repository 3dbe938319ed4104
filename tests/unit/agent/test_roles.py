"""What source and target do in which order, with the node's operations recorded, not done."""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podferry.agent import files, operations, outgoing, pages
from podferry.agent.containers import Bundle, Container
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError, Refused
from podferry.agent.machine import SideState
from podferry.agent.node import Node
from podferry.agent.ops.host import Host
from podferry.agent.source import Source
from podferry.agent.store import Store
from podferry.agent.target import Target
from podferry.wire.stages import Observed, Order, Progress, Role, Verdict

UID = "8f14e45f-ceea-467f-a8f2-0123456789ab"
CID = "ab" * 32


class FakeGroup:
    """A container's freezer group."""

    def __init__(self, calls: list[str]) -> None:
        self.calls, self.frozen, self.tasks = calls, True, [4711]

    def pids(self) -> list[int]:
        return self.tasks

    def freeze(self) -> bool:
        self.calls.append("freeze")
        return True

    def is_frozen(self) -> bool:
        return self.frozen


class World:
    """A node in a folder; every operation that would touch tasks is recorded."""

    def __init__(self, path: Path, patch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.calls: list[str] = []
        self.group = FakeGroup(self.calls)
        self.node = Node(Host(str(path / "node"), enter=False))
        kernel = path / "node/proc/sys/kernel/random"
        kernel.mkdir(parents=True)
        (kernel / "boot_id").write_text("boot-1\n")
        self.wrapper = path / "node/proc/99"
        self.wrapper.mkdir()
        (self.wrapper / "stat").write_text("99 (python3) S 1")
        patch.setattr(operations, "cgroup_of", lambda _host, _id: self.group)
        for name in (
            "lower_shield",
            "raise_shield",
            "disarm",
            "release",
            "before_freeze",
            "abort_connections",
        ):
            patch.setattr(operations, name, self._record(name))
        patch.setattr(operations, "thaw_cgroup", self._thaw)
        patch.setattr(operations, "thaw_source", self._thaw)
        patch.setattr(operations, "kill_container", self._kill)
        self.side_folder: Path = path

    def _record(self, name: str) -> Any:
        def record(*_arguments: object) -> None:
            self.calls.append(name)

        return record

    def marks(self) -> str:
        found = sorted({"RESUMING", "RESUMED", "ABORTED"} & set(os.listdir(self.side_folder)))
        return "+".join(found)

    def _thaw(self, *_arguments: object) -> None:
        self.calls.append(f"thaw[{self.marks()}]")
        self.group.frozen = False

    def _kill(self, *_arguments: object) -> None:
        self.calls.append(f"kill[{self.marks()}]")
        self.group.tasks = []

    def side(self, role: Role, stage: str, reached: str, **more: Any) -> Side:
        verdict = more.pop("verdict", Verdict.UNDECIDED)
        facts = {"containerID": CID, "netns": "/run/netns/x", **more.pop("facts", {})}
        order = Order(UID, 1, role, stage, verdict, 0, more)
        observed = Observed(UID, 1, role, reached, stage, Progress.WORKING, None, facts)
        store = Store(str(self.path / "state"))
        side = Side(SideState(order, observed), store.folder(UID, 1, role), store)
        store.save(side.state)
        self.side_folder = Path(side.folder)
        return side

    def claim(self, side: Side, role: str = "replacement", container: str = CID) -> None:
        files.write_json(
            f"{side.folder}/claim-{role}.json",
            {
                "containerID": container,
                "podUID": "pod-1",
                "bundle": "/bundle",
                "wrapperPID": 99,
                "bootID": "boot-1",
            },
        )


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def target(world: World) -> Target:
    return Target(world.node, set)


def source(world: World) -> Source:
    return Source(world.node, ssl.create_default_context(), set)


def committed(world: World, **more: Any) -> Side:
    return world.side(Role.TARGET, "Resumed", "Rehearsed", verdict=Verdict.COMMITTED, **more)


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


async def test_a_target_is_forgotten_only_once_its_pages_arrived(world: World) -> None:
    side = world.side(Role.TARGET, "Forgotten", "Resumed", copy="PostCopy")
    images = Path(side.folder) / "images"
    images.mkdir()
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
    assert side.facts["pagesLost"] is True
    with pytest.raises(AgentError, match="PagesLost"):
        await target(world).reach(side, "Forgotten", None)


async def test_a_restore_that_the_wrapper_finished_while_the_agent_was_away_is_taken(
    world: World,
) -> None:
    side = world.side(Role.TARGET, "Rehearsed", "Prepared", facts={"restoring": CID})
    world.claim(side)
    (world.wrapper / "stat").unlink()
    images = Path(side.folder) / "images"
    images.mkdir()
    header = (2).to_bytes(4, "little") + bytes([8, 7])
    (images / "pagemap-1.img").write_bytes(bytes(8) + header)
    Path(f"{side.folder}/page-server.rc").write_text("0")
    files.write_json(f"{side.folder}/manifest.json", {"images": {}, "streams": []})
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


async def test_a_source_is_sealed_when_it_is_frozen(world: World) -> None:
    side = world.side(Role.SOURCE, "Sealed", "Frozen")
    await source(world).reach(side, "Sealed", None)
    assert operations.read_fate(side) == "sealed"
    assert world.calls == ["disarm"]


async def test_a_source_that_thawed_is_not_acknowledged_as_sealed(world: World) -> None:
    side = world.side(Role.SOURCE, "Sealed", "Frozen")
    world.group.frozen = False
    with pytest.raises(AgentError, match="NotFrozen"):
        await source(world).reach(side, "Sealed", None)


async def test_the_dead_man_wins_against_the_seal(world: World) -> None:
    side = world.side(Role.SOURCE, "Sealed", "Frozen")
    Path(f"{side.folder}/FATE").write_text("thawed\n")
    with pytest.raises(AgentError, match="FateThawed"):
        await source(world).reach(side, "Sealed", None)


async def test_a_seal_that_is_on_disk_only_stops_a_thaw_without_verdict(world: World) -> None:
    side = world.side(Role.SOURCE, "Thawed", "Frozen")
    Path(f"{side.folder}/FATE").write_text("sealed")
    with pytest.raises(AgentError, match="Sealed"):
        await source(world).reach(side, "Thawed", None)
    assert world.calls == []
    side.state = replace(side.state, order=replace(side.order, verdict=Verdict.ROLLED_BACK))
    await source(world).reach(side, "Thawed", None)
    assert world.calls == ["thaw[]"]


async def test_a_thaw_before_the_seal_claims_the_fate_first(world: World) -> None:
    side = world.side(Role.SOURCE, "Thawed", "Frozen")
    await source(world).reach(side, "Thawed", None)
    assert operations.read_fate(side) == "thawed"
    assert world.calls == ["thaw[]"]


async def test_a_freeze_that_is_going_on_is_thawed_until_it_ended(world: World) -> None:
    side = world.side(Role.SOURCE, "Thawed", "Prepared")

    async def freeze() -> None:
        await asyncio.sleep(0.02)
        world.group.frozen = True
        world.calls.append("frozen late")

    await source(world).reach(side, "Thawed", asyncio.create_task(freeze()))
    assert world.calls == ["thaw[]", "frozen late", "thaw[]"]
    assert world.group.frozen is False


@pytest.mark.parametrize(("code", "released"), [("0", True), ("1", False)])
async def test_a_source_is_killed_only_once_every_page_was_fetched(
    world: World, monkeypatch: pytest.MonkeyPatch, code: str, released: bool
) -> None:
    side = world.side(Role.SOURCE, "Released", "Sealed", verdict=Verdict.COMMITTED, copy="PostCopy")
    answers = [True, True, False]

    def running(_node: Node, _side: Side) -> bool:
        assert "release" not in world.calls
        answer = answers.pop(0)
        if not answer:
            Path(f"{side.folder}/dump.rc").write_text(code)
        return answer

    monkeypatch.setattr(operations, "dump_running", running)
    if released:
        await source(world).reach(side, "Released", None)
    else:
        with pytest.raises(AgentError, match="PagesLost"):
            await source(world).reach(side, "Released", None)
    assert ("release" in world.calls) is released
    assert world.calls[0] == "abort_connections"


async def test_a_source_that_a_dead_man_thawed_gets_its_network_back(world: World) -> None:
    side = world.side(Role.SOURCE, "Frozen", "Frozen")
    Path(f"{side.folder}/FATE").write_text("thawed")
    await source(world).tend([side])
    await source(world).tend([side])
    assert world.calls == ["thaw[]"]


@pytest.mark.parametrize(("dumping", "shields"), [(False, 1), (True, 0)])
async def test_a_dump_in_flight_is_picked_up_and_not_begun_again(
    world: World, monkeypatch: pytest.MonkeyPatch, dumping: bool, shields: int
) -> None:
    side = world.side(
        Role.SOURCE,
        "Frozen",
        "Prepared",
        facts={"frozenAt": 1.0},
        targetAddress="192.0.2.1",
        pagePort=9560,
    )
    if dumping:
        Path(f"{side.folder}/dump.pid").write_text("12")
    found = Container(CID, "running", 1, Bundle("/bundle", {}))
    monkeypatch.setattr("podferry.agent.containers.find", lambda _host, _id: found)
    monkeypatch.setattr(operations, "probe", lambda _host, _found: {"blockers": []})
    monkeypatch.setattr(operations, "pause", lambda *_: 0.001)
    monkeypatch.setattr(Node, "publish_tls", lambda _self: "/run/podferry/tls")

    async def send_all(*_arguments: Any) -> dict[str, Any]:
        return {"imageBytes": 1}

    monkeypatch.setattr(outgoing, "send_all", send_all)
    await source(world).reach(side, "Frozen", None)
    assert world.calls.count("before_freeze") == shields


async def test_a_blocker_found_right_before_the_freeze_touches_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = world.side(Role.SOURCE, "Frozen", "Prepared", targetAddress="192.0.2.1", pagePort=9560)
    found = Container(CID, "running", 1, Bundle("/bundle", {}))
    blockers = [{"reason": "IOUring", "message": "process 1 uses io_uring"}]
    monkeypatch.setattr("podferry.agent.containers.find", lambda _host, _id: found)
    monkeypatch.setattr(operations, "probe", lambda _host, _found: {"blockers": blockers})
    monkeypatch.setattr(Node, "publish_tls", lambda _self: "/run/podferry/tls")
    with pytest.raises(AgentError, match="io_uring"):
        await source(world).reach(side, "Frozen", None)
    assert world.calls == []
