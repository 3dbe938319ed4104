"""Stage Prepared with `pauseFirst`: paused once, measured from there, bounded by its dead-man."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podferry.agent import draining, operations, outgoing
from podferry.agent.containers import Bundle, Container
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError, Refused
from podferry.agent.machine import SideState
from podferry.agent.node import Node
from podferry.wire.stages import Observed, Order, Progress, Role
from tests.unit.agent.roles import CID, UID, World, source

WHERE = {"targetAddress": "192.0.2.1", "pagePort": 9560}
BUNDLE = Bundle("/bundle", {"annotations": {"io.kubernetes.cri.sandbox-uid": "pod-1"}})


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(tmp_path, monkeypatch)
    found.group.frozen = False

    def pause(*_arguments: object) -> float:
        found.calls.append("pause")
        found.group.frozen = True
        return 0.01

    def probe(*_arguments: object, **_more: object) -> dict[str, Any]:
        found.calls.append("probe")
        return {"blockers": [], "tcpConnections": 3}

    async def send_all(*_arguments: object) -> dict[str, Any]:
        found.calls.append("dump")
        return {"imageBytes": 1}

    async def announce(*_arguments: object) -> None:
        found.calls.append("announce")

    def find(_host: object, _identity: str) -> Container:
        return Container(CID, "paused" if found.group.frozen else "running", 1, BUNDLE)

    monkeypatch.setattr("podferry.agent.containers.find", find)
    monkeypatch.setattr(operations, "probe", probe)
    monkeypatch.setattr(operations, "pause", pause)
    monkeypatch.setattr(outgoing, "send_all", send_all)
    monkeypatch.setattr(outgoing, "announce", announce)
    monkeypatch.setattr(Node, "publish_tls", lambda _self: "/run/podferry/tls")
    return found


def prepared(world: World, **more: Any) -> Side:
    """A source that is to be prepared and paused."""
    return world.side(Role.SOURCE, "Prepared", "", pauseFirst=True, containerID=CID, **more)


async def test_it_is_checked_shielded_and_paused_before_prepared_is_reached(world: World) -> None:
    side = prepared(world)
    await source(world).reach(side, "Prepared", None)
    assert world.calls == ["probe", "before_freeze", "pause"]
    assert side.facts["pausedFirst"] is True
    assert side.facts["frozenAt"] > 1e9


async def test_without_the_parameter_it_runs_on(world: World) -> None:
    side = world.side(Role.SOURCE, "Prepared", "", containerID=CID)
    await source(world).reach(side, "Prepared", None)
    assert world.calls == ["probe"]
    assert "pausedFirst" not in side.facts


async def test_the_freeze_that_follows_pauses_nothing_again_and_counts_from_the_first_pause(
    world: World,
) -> None:
    side = prepared(world, **WHERE)
    await source(world).reach(side, "Prepared", None)
    side.note(frozenAt=side.facts["frozenAt"] - 5)  # the target took 5 s
    frozen_at = side.facts["frozenAt"]
    world.calls.clear()
    await source(world).reach(side, "Frozen", None)
    assert world.calls == ["probe", "announce", "dump"]
    assert side.facts["frozenAt"] == frozen_at
    assert side.facts["freezeSeconds"] >= 5


async def test_an_agent_that_comes_back_to_a_paused_source_leaves_it_paused(world: World) -> None:
    side = prepared(world, facts={"frozenAt": 1.0})
    world.group.frozen = True
    await source(world).reach(side, "Prepared", None)
    assert world.calls == []
    assert (side.facts["pausedFirst"], side.facts["frozenAt"]) == (True, 1.0)


async def test_an_agent_that_ended_right_before_the_pause_begins_it_anew(world: World) -> None:
    side = prepared(world, facts={"frozenAt": 1.0})
    await source(world).reach(side, "Prepared", None)
    assert world.calls == ["before_freeze", "pause"]
    assert side.facts["frozenAt"] > 1e9


async def test_what_the_dead_man_thawed_is_not_paused_again(world: World) -> None:
    side = prepared(world, facts={"frozenAt": 1.0}, **WHERE)
    Path(f"{side.folder}/FATE").write_text("thawed")
    for stage in ("Prepared", "Frozen"):
        with pytest.raises(AgentError, match="FateThawed"):
            await source(world).reach(side, stage, None)
    assert "pause" not in world.calls


async def test_a_source_that_somebody_else_woke_up_is_not_dumped(world: World) -> None:
    side = world.side(
        Role.SOURCE, "Frozen", "Prepared", facts={"frozenAt": 1.0, "pausedFirst": True}, **WHERE
    )
    with pytest.raises(AgentError, match="NotFrozen"):
        await source(world).reach(side, "Frozen", None)
    assert "dump" not in world.calls


async def test_a_blocker_is_found_before_the_pause(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    blockers = [{"reason": "IOUring", "message": "process 1 uses io_uring"}]
    monkeypatch.setattr(operations, "probe", lambda *_, **__: {"blockers": blockers})
    with pytest.raises(AgentError, match="io_uring"):
        await source(world).reach(prepared(world), "Prepared", None)
    assert world.calls == []


def _paused(world: World, *, first: bool) -> Side:
    side = world.side(
        Role.SOURCE, "Prepared", "Prepared", **({"pauseFirst": True} if first else {})
    )
    facts = {"frozenAt": 1.0} if first else {}
    observed = Observed(UID, 1, Role.SOURCE, "Prepared", "Prepared", Progress.REACHED, None, facts)
    side.state = SideState(side.order, observed)
    return side


@pytest.mark.parametrize("first", [True, False])
def test_an_agent_that_ends_stays_for_a_source_that_it_paused(world: World, first: bool) -> None:
    assert draining.keeps(_paused(world, first=first)) is first


def test_an_agent_that_ends_pauses_nothing_first_and_goes_on_with_what_is_paused(
    world: World,
) -> None:
    pause = Order(UID, 1, Role.SOURCE, "Prepared", params={"pauseFirst": True})
    with pytest.raises(Refused, match="being replaced"):
        draining.check_begin(pause, [])
    draining.check_begin(Order(UID, 1, Role.SOURCE, "Prepared"), [])
    freeze = Order(UID, 1, Role.SOURCE, "Frozen")
    with pytest.raises(Refused, match="being replaced"):
        draining.check_begin(freeze, [_paused(world, first=False)])
    draining.check_begin(freeze, [_paused(world, first=True)])
