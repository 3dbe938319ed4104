"""criu cannot dump a connection that nobody accepted yet; that must not cost a freeze."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent import operations
from podferry.agent.containers import Bundle, Container
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.agent.machine import SideState
from podferry.agent.node import Node
from podferry.agent.ops import deadman, shield
from podferry.agent.ops.host import Host
from podferry.agent.store import Store
from podferry.wire import layout
from podferry.wire.stages import Observed, Order, Progress, Role
from tests.unit.agent.roles import CID, UID


@pytest.mark.parametrize("drained", [True, False])
def test_a_queue_that_does_not_drain_fails_before_the_hold_and_the_full_shield(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drained: bool
) -> None:
    modes: list[str] = []
    monkeypatch.setattr(deadman, "arm", lambda *_a, **_k: None)
    monkeypatch.setattr(operations, "raise_shield", lambda _h, _n, mode="full": modes.append(mode))
    monkeypatch.setattr(shield, "drain", lambda _pid: drained)
    node = Node(Host(str(tmp_path), enter=False))
    store = Store(str(tmp_path / "state"))
    order = Order(UID, 1, Role.SOURCE, "Frozen")
    observed = Observed(UID, 1, Role.SOURCE, "Prepared", "Frozen", Progress.WORKING)
    side = Side(SideState(order, observed), store.folder(UID, 1, Role.SOURCE), store)
    store.save(side.state)
    side.note(podUID="pod-1")
    hold = Path(node.local(layout.hold_file(CID)))
    hold.parent.mkdir(parents=True)
    found = Container(CID, "running", 1, Bundle("/bundle", {}))
    freeze = operations.Freeze(found, "192.0.2.1", 9560, False, "/tls", 60.0)
    if drained:
        operations.before_freeze(node, side, freeze)
    else:
        with pytest.raises(AgentError, match="wait to be accepted"):
            operations.before_freeze(node, side, freeze)
    assert modes == ["syn", "full"][: 1 + drained]
    assert hold.exists() is drained
