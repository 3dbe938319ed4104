"""The room at the target is asked for before the freeze: memory and files, as they are then."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from podferry.agent import containers, operations, outgoing
from podferry.agent.errors import AgentError
from podferry.wire.stages import Role
from tests.unit.agent.roles import World, source


async def test_the_announcement_counts_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, monkeypatch)
    told: list[dict[str, Any]] = []

    def probe(_host: Any, _found: Any, *, files_too: bool = True) -> dict[str, Any]:
        return {"blockers": [], "residentBytes": 7} | ({"fileBytes": 5} if files_too else {})

    async def announce(_side: Any, _peer: Any, verdict: dict[str, Any]) -> None:
        told.append(verdict)
        raise AgentError("TargetShortOfMemory", "no room")

    monkeypatch.setattr(containers, "find", lambda *_arguments: SimpleNamespace(id="c"))
    monkeypatch.setattr(operations, "probe", probe)
    monkeypatch.setattr(outgoing, "announce", announce)
    params = {"targetAddress": "192.0.2.1", "pagePort": 9560}
    side = world.side(Role.SOURCE, "Frozen", "Prepared", **params)
    monkeypatch.setattr(type(world.node), "publish_tls", lambda _node: "/tls")
    with pytest.raises(AgentError, match="TargetShortOfMemory"):
        await source(world).reach(side, "Frozen", None)
    assert [(one["residentBytes"], one["fileBytes"]) for one in told] == [(7, 5)]
    assert world.calls == []
