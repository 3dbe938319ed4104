"""The target's agent is away when the freeze is to begin: the workload runs on until it is back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from podferry.agent import containers, operations, outgoing
from podferry.agent import source as role
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.wire.stages import Role
from tests.unit.agent.roles import World, source


class Peer:
    """A target's agent that does not answer the first `away` times."""

    def __init__(self, away: int) -> None:
        self.asked, self._away = 0, away

    async def announce(self, *_arguments: Any) -> None:
        self.asked += 1
        if self.asked <= self._away:
            raise AgentError("TransferFailed", "connection refused")
        raise AgentError("TargetShortOfMemory", "it is back, and this test ends here")


def freezing(world: World, monkeypatch: pytest.MonkeyPatch, peer: Peer) -> Side:
    def probe(_host: Any, _found: Any, **_more: Any) -> dict[str, Any]:
        world.calls.append("probe")
        return {"blockers": []}

    monkeypatch.setattr(containers, "find", lambda *_arguments: SimpleNamespace(id="c"))
    monkeypatch.setattr(operations, "probe", probe)
    monkeypatch.setattr(outgoing, "announce", peer.announce)
    monkeypatch.setattr(type(world.node), "publish_tls", lambda _node: "/tls")
    monkeypatch.setattr(role, "RETRY_SECONDS", 0.0)
    params = {"targetAddress": "192.0.2.1", "pagePort": 9560}
    return world.side(Role.SOURCE, "Frozen", "Prepared", **params)


async def test_it_is_asked_again_and_the_workload_is_checked_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, peer = World(tmp_path, monkeypatch), Peer(away=3)
    side = freezing(world, monkeypatch, peer)
    with pytest.raises(AgentError, match="TargetShortOfMemory"):
        await source(world).reach(side, "Frozen", None)
    assert peer.asked == 4
    assert world.calls == ["probe"] * 4  # nothing else: it was neither shielded nor paused


async def test_one_that_does_not_come_back_ends_the_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, peer = World(tmp_path, monkeypatch), Peer(away=10**6)
    monkeypatch.setattr(role, "PEER_SECONDS", -1.0)
    side = freezing(world, monkeypatch, peer)
    with pytest.raises(AgentError, match="TransferFailed"):
        await source(world).reach(side, "Frozen", None)
    assert world.calls == ["probe"]
