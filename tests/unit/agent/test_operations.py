"""How a dump is broken off: its connection is cut until it ends by itself, it is never killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podferry.agent import operations
from podferry.agent.engine import Side
from podferry.agent.machine import SideState
from podferry.agent.node import Node
from podferry.agent.ops.host import Completed, Host
from podferry.agent.store import Store
from podferry.wire.stages import Observed, Order, Progress, Role

UID = "8f14e45f-ceea-467f-a8f2-0123456789ab"


class RecordingHost(Host):
    """Runs nothing."""

    def __init__(self, root: str) -> None:
        super().__init__(root, enter=False)
        self.lines: list[str] = []

    def run(self, argv: Any, *, timeout: float = 30.0, stdin: str | None = None) -> Completed:
        self.lines.append(" ".join(argv))
        return Completed(0, "", "")


def side(path: Path, **facts: Any) -> Side:
    params = {"copy": "StopAndCopy", "pagePort": 9560}
    order = Order(UID, 1, Role.SOURCE, "Thawed", params=params)
    observed = Observed(
        UID, 1, Role.SOURCE, "Prepared", "Thawed", Progress.WORKING, None, dict(facts)
    )
    store = Store(str(path / "state"))
    made = Side(SideState(order, observed), store.folder(UID, 1, Role.SOURCE), store)
    store.save(made.state)
    return made


def test_a_running_dump_is_cut_off_until_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = RecordingHost(str(tmp_path))
    running = [True, True, False]
    monkeypatch.setattr(operations, "dump_running", lambda _node, _side: running.pop(0))
    operations.break_off_dump(Node(host), side(tmp_path))
    assert host.lines == ["ss -K -H -t state connected dport = :9560"] * 2


def test_without_a_dump_no_connection_is_cut(tmp_path: Path) -> None:
    host = RecordingHost(str(tmp_path))
    operations.break_off_dump(Node(host), side(tmp_path))
    assert host.lines == []


def test_a_dump_that_does_not_end_is_left_to_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "dump_running", lambda _node, _side: True)
    operations.break_off_dump(Node(RecordingHost(str(tmp_path))), side(tmp_path), seconds=0.1)
