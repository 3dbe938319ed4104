"""What the source does in which order."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podferry.agent import operations, outgoing
from podferry.agent.containers import Bundle, Container
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.agent.node import Node
from podferry.wire.stages import Role, Verdict
from tests.unit.agent.roles import CID, World, source


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


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


@pytest.mark.parametrize(("code", "sealed"), [("137", False), ("0", True)])
async def test_a_source_whose_criu_stopped_serving_is_not_sealed(
    world: World, code: str, sealed: bool
) -> None:
    side = world.side(Role.SOURCE, "Sealed", "Frozen", copy="PostCopy")
    Path(f"{side.folder}/dump.rc").write_text(code)
    if sealed:
        await source(world).reach(side, "Sealed", None)
    else:
        with pytest.raises(AgentError, match="PagesLost"):
            await source(world).reach(side, "Sealed", None)
    assert (operations.read_fate(side) == "sealed") is sealed


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
        while "thaw[]" not in world.calls:
            await asyncio.sleep(0)
        world.group.frozen = True
        world.calls.append("frozen late")

    await source(world).reach(side, "Thawed", asyncio.create_task(freeze()))
    assert world.calls == ["thaw[]", "frozen late", "thaw[]"]
    assert world.group.frozen is False


@pytest.mark.parametrize(("code", "released"), [("0", True), ("1", False)])
async def test_a_source_is_killed_only_once_every_page_was_fetched(
    world: World, monkeypatch: pytest.MonkeyPatch, code: str, released: bool
) -> None:
    committed = Verdict.COMMITTED
    side = world.side(Role.SOURCE, "Released", "Redirected", verdict=committed, copy="PostCopy")
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


async def test_a_source_whose_criu_was_killed_is_released_once_the_target_has_every_page(
    world: World,
) -> None:
    params = {"verdict": Verdict.COMMITTED, "copy": "PostCopy", "pagesDone": True}
    side = world.side(Role.SOURCE, "Released", "Redirected", **params)
    Path(f"{side.folder}/dump.rc").write_text("1")
    await source(world).reach(side, "Released", None)
    assert "release" in world.calls


async def test_a_source_that_was_never_sealed_is_taken_from_its_dead_man(world: World) -> None:
    side = world.side(Role.SOURCE, "Redirected", "Frozen", verdict=Verdict.COMMITTED)
    await source(world).reach(side, "Redirected", None)
    assert operations.read_fate(side) == "sealed"


async def test_a_redirected_source_keeps_its_tasks(world: World) -> None:
    side = world.side(Role.SOURCE, "Redirected", "Sealed", verdict=Verdict.COMMITTED)
    await source(world).reach(side, "Redirected", None)
    assert world.calls == ["hand_over_connections"]
    assert side.facts["connectionsReset"] == 2
    assert side.facts["forwardedTo"] == "192.0.2.9"


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
    monkeypatch.setattr(operations, "probe", lambda _host, _found, **_: {"blockers": []})
    monkeypatch.setattr(operations, "pause", lambda *_: 0.001)
    monkeypatch.setattr(Node, "publish_tls", lambda _self: "/run/podferry/tls")

    async def send_all(*_arguments: Any) -> dict[str, Any]:
        return {"imageBytes": 1}

    async def announce(*_arguments: Any) -> None:
        world.calls.append("announce")

    monkeypatch.setattr(outgoing, "send_all", send_all)
    monkeypatch.setattr(outgoing, "announce", announce)
    await source(world).reach(side, "Frozen", None)
    assert world.calls == ["announce", "before_freeze"] * shields


async def test_a_blocker_found_right_before_the_freeze_touches_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = world.side(Role.SOURCE, "Frozen", "Prepared", targetAddress="192.0.2.1", pagePort=9560)
    found = Container(CID, "running", 1, Bundle("/bundle", {}))
    blockers = [{"reason": "IOUring", "message": "process 1 uses io_uring"}]
    monkeypatch.setattr("podferry.agent.containers.find", lambda _host, _id: found)
    monkeypatch.setattr(operations, "probe", lambda _host, _found, **_: {"blockers": blockers})
    monkeypatch.setattr(Node, "publish_tls", lambda _self: "/run/podferry/tls")
    with pytest.raises(AgentError, match="io_uring"):
        await source(world).reach(side, "Frozen", None)
    assert world.calls == []
