"""PostCopy of a kept name: the first serving ends before the second begins, whatever dies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import pytest

from podferry.agent import operations, pages, serving
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.agent.node import Node
from podferry.agent.operations import Freeze
from podferry.wire.stages import Role
from tests.unit.agent.roles import World

FREEZE = cast("Freeze", None)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path, monkeypatch)
    monkeypatch.setattr(operations, "end_dump", world._record("end_dump"))

    def dump(_node: Node, side: Side, _freeze: Freeze) -> float:
        found = "found" if side.has("dump.pid") else "started"
        world.calls.append(f"dump {found}")
        Path(f"{side.folder}/dump.pid").write_text("2")
        return 0.5

    async def stop(*_arguments: Any) -> None:
        world.calls.append("stop")

    async def start(_node: Node, side: Side) -> None:
        found = "found" if side.has("lazy-pages.pid") else "started"
        world.calls.append(f"fetch {found}")
        Path(f"{side.folder}/lazy-pages.pid").write_text("2")

    monkeypatch.setattr(operations, "dump_paused", dump)
    monkeypatch.setattr(pages, "stop", stop)
    monkeypatch.setattr(pages, "start_lazy", start)
    return world


def _source(world: World) -> Side:
    side = world.side(Role.SOURCE, "Sealed", "Frozen", copy="PostCopy", sameName=True)
    for name in ("dump.pid", "dump.rc", "dump.out"):
        Path(f"{side.folder}/{name}").write_text("1")
    os.mkfifo(f"{side.folder}/status")
    return side


def _target(world: World) -> Side:
    side = world.side(Role.TARGET, "Resumed", "Rehearsed", copy="PostCopy", sameName=True)
    os.makedirs(f"{side.ram}/work")
    for name in ("lazy-pages.pid", "lazy-pages.rc"):
        Path(f"{side.folder}/{name}").write_text("1")
    Path(f"{side.ram}/work/lazy-pages.socket").touch()
    return side


@pytest.mark.parametrize(
    ("copy", "same_name", "due"),
    [("PostCopy", True, True), ("PostCopy", False, False), ("StopAndCopy", True, False)],
)
def test_only_post_copy_of_a_kept_name_is_served_twice(
    world: World, copy: str, same_name: bool, due: bool
) -> None:
    side = world.side(Role.SOURCE, "Sealed", "Frozen", copy=copy, sameName=same_name)
    assert serving.is_due(side) is due


def test_the_first_dump_ends_and_leaves_nothing_before_the_second(world: World) -> None:
    side = _source(world)
    assert serving.serve_again(world.node, side, FREEZE) == 0.5
    assert world.calls == ["end_dump", "dump started"]
    assert not side.has("dump.rc", "status")


def test_an_agent_that_comes_back_waits_for_the_second_dump(world: World) -> None:
    side = _source(world)
    serving.serve_again(world.node, side, FREEZE)
    serving.serve_again(world.node, side, FREEZE)
    assert world.calls == ["end_dump", "dump started", "dump found"]


def test_an_agent_that_died_before_the_second_dump_starts_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = _source(world)

    def killed(*_arguments: Any) -> float:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(operations, "dump_paused", killed)
        with pytest.raises(KeyboardInterrupt):
            serving.serve_again(world.node, side, FREEZE)
    serving.serve_again(world.node, side, FREEZE)
    assert world.calls == ["end_dump", "dump started"]


def test_a_first_dump_that_does_not_end_leaves_no_second(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = _source(world)

    def stays(*_arguments: Any) -> None:
        raise AgentError("NotFrozen", "it did not stay frozen")

    monkeypatch.setattr(operations, "end_dump", stays)
    with pytest.raises(AgentError, match="NotFrozen"):
        serving.serve_again(world.node, side, FREEZE)
    assert world.calls == []
    assert side.has("dump.pid")


async def test_the_target_fetches_from_the_second_serving(world: World) -> None:
    side = _target(world)
    await serving.fetch_again(world.node, side)
    await serving.fetch_again(world.node, side)
    assert world.calls == ["stop", "fetch started", "fetch found"]


async def test_pages_that_are_lost_before_the_resume_are_told(world: World) -> None:
    side = _target(world)
    await serving.fetch_again(world.node, side)
    Path(f"{side.folder}/lazy-pages.rc").write_text("1\n")
    with pytest.raises(AgentError, match="PagesLost"):
        await serving.fetch_again(world.node, side)
