"""Targets that are prepared at the same time on one node do not share a page port."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from podferry.agent import node_ports, pages
from podferry.agent.engine import Side
from podferry.agent.node import Node


@dataclass
class FakeSide:
    """What `start_server` uses of a side."""

    folder: str
    facts: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)

    def note(self, **facts: Any) -> None:
        self.facts.update(facts)


class FakeNode:
    """Starts nothing; the receivers come to listen only once all were asked for."""

    def folder(self, side: FakeSide) -> str:
        return side.folder

    def ram(self, side: FakeSide) -> str:
        return side.folder

    def publish_tls(self) -> str:
        return "/tls"


async def test_the_second_chooses_another_while_the_first_does_not_listen_yet(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening: set[int] = set()
    monkeypatch.setattr(node_ports, "listening", lambda _proc="": set(listening))
    sides = [FakeSide(str(tmp_path / str(number))) for number in range(2)]
    started: list[int] = []
    both = asyncio.Event()

    async def spawn(_node: Node, _side: Side, argv: list[str], _name: str) -> None:
        started.append(int(argv[argv.index("--port") + 1]))
        if len(started) == 2:
            both.set()
        await asyncio.wait_for(both.wait(), 5)
        listening.update(started)

    monkeypatch.setattr(pages, "_spawn", spawn)

    def taken() -> set[int]:
        return {side.facts["pagePort"] for side in sides if "pagePort" in side.facts}

    async def start(side: FakeSide) -> None:
        await pages.start_server(cast(Node, FakeNode()), cast(Side, side), taken())

    await asyncio.gather(*(start(side) for side in sides))
    assert len(set(started)) == 2
    assert [side.facts["pagePort"] for side in sides] == started
