"""The dead-man acts once; a freezer write of the agent that comes later is undone by the agent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from podferry.agent import containers, operations
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.agent.machine import SideState
from podferry.agent.node import Node
from podferry.agent.ops.host import Host
from podferry.agent.store import Store
from podferry.wire.stages import Observed, Order, Progress, Role

UID = "8f14e45f-ceea-467f-a8f2-0123456789ab"
IDENTITY = "c" * 64


class Source:
    """A source on files, whose dump (if any) has ended well."""

    def __init__(self, root: Path) -> None:
        self.node = Node(Host(str(root), enter=False), state="/state")
        order = Order(UID, 1, Role.SOURCE, "Frozen", params={"copy": "StopAndCopy"})
        observed = Observed(UID, 1, Role.SOURCE, "Prepared", "Frozen", Progress.WORKING, None, {})
        store = Store(str(root / "state"))
        self.side = Side(SideState(order, observed), store.folder(UID, 1, Role.SOURCE), store)
        store.save(self.side.state)
        self.freezer = root / "freezer"
        self.freezer.mkdir()
        state = root / containers.RUNC_ROOT.lstrip("/") / IDENTITY / "state.json"
        state.parent.mkdir(parents=True)
        state.write_text(json.dumps({"cgroup_paths": {"freezer": "/freezer"}}))
        found = containers.Container(IDENTITY, "running", 1, containers.Bundle("/bundle", {}))
        self.freeze = operations.Freeze(found, "10.0.0.2", 9560, False, "/tls", 60.0)

    def word(self) -> str:
        return (self.freezer / "freezer.state").read_text()


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


def dead_man_acts_before(source: Source, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Right before this step of `ops.dump` writes the freezer, FATE says `thawed`."""
    real = getattr(operations.dump, step)

    def late(*args: Any, **more: Any) -> Any:
        assert operations.claim_fate(source.side, "thawed")
        (source.freezer / "freezer.state").write_text("THAWED")
        return real(*args, **more)

    monkeypatch.setattr(operations.dump, step, late)


def test_a_pause_after_its_thaw_is_undone(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    dead_man_acts_before(source, monkeypatch, "pause")
    with pytest.raises(AgentError) as refusal:
        operations.pause(source.node, source.side, source.freeze)
    assert refusal.value.reason == "FateThawed"
    assert source.word() == "THAWED"


def test_the_write_at_the_end_of_a_dump_after_its_thaw_is_undone(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    (Path(source.side.folder) / "dump.pid").write_text("999999999")
    (Path(source.side.folder) / "dump.rc").write_text("0")
    dead_man_acts_before(source, monkeypatch, "wait")
    with pytest.raises(AgentError) as refusal:
        operations.dump_paused(source.node, source.side, source.freeze)
    assert refusal.value.reason == "FateThawed"
    assert source.word() == "THAWED"


def test_without_its_claim_the_source_stays_frozen(source: Source) -> None:
    operations.pause(source.node, source.side, source.freeze)
    assert source.word() == "FROZEN"
