"""What becomes of kills that were swallowed: a deletion goes on, a failed probe is forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podferry.agent import operations, pending_kills
from podferry.agent.engine import Side
from podferry.agent.machine import SideState
from podferry.agent.node import Node
from podferry.agent.ops import thaw
from podferry.agent.ops.host import Completed, Host
from podferry.agent.pending_kills import After, after
from podferry.agent.store import Store
from podferry.wire.stages import Observed, Order, Progress, Role

UID = "8f14e45f-ceea-467f-a8f2-0123456789ab"
TERM, KILL = "--root /r --log /l kill abc 15", "--root /r kill --all abc 9"


@pytest.mark.parametrize(
    ("calls", "ending", "wanted"),
    [
        ([], True, After.NOTHING),
        (["--root /r delete abc"], True, After.NOTHING),
        ([TERM], True, After.REPLAY),
        (["--root /r kill abc SIGTERM", KILL], True, After.REPLAY),
        ([TERM], False, After.HOLD),
        ([TERM, KILL], False, After.NOTHING),
    ],
)
def test_a_thaw_looks_at_what_was_swallowed_and_whether_the_pod_ends(
    calls: list[str], ending: bool, wanted: After
) -> None:
    assert after(calls, ending=ending) is wanted


class RecordingHost(Host):
    """Programs are noted, not run."""

    def __init__(self, root: str) -> None:
        super().__init__(root, enter=False)
        self.ran: list[list[str]] = []

    def run(self, argv: Any, *, timeout: float = 30.0, stdin: str | None = None) -> Completed:
        self.ran.append(list(argv))
        return Completed(0, "", "")


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(thaw, "thaw", lambda *_arguments: True)
    for name in ("break_off_dump", "disarm", "lower_shield"):
        monkeypatch.setattr(operations, name, lambda *_arguments: None)
    found = Node(RecordingHost(str(tmp_path)))
    hold = tmp_path / "run/podferry/hold"
    hold.mkdir(parents=True)
    (hold / "abc").write_text(f"{TERM}\n")
    return found


def side(path: Path, **params: Any) -> Side:
    order = Order(UID, 1, Role.SOURCE, "Thawed", params=params)
    observed = Observed(
        UID, 1, Role.SOURCE, "Sealed", "Thawed", Progress.WORKING, facts={"containerID": "abc"}
    )
    store = Store(str(path / "state"))
    store.save(SideState(order, observed))
    return Side(SideState(order, observed), store.folder(UID, 1, Role.SOURCE), store)


def held(path: Path) -> bool:
    return (path / "run/podferry/hold/abc").exists()


@pytest.mark.parametrize("ending", [True, False])
def test_only_a_pod_that_ends_hears_the_term_again(
    node: Node, tmp_path: Path, ending: bool
) -> None:
    operations.thaw_source(node, side(tmp_path, ending=ending, graceSeconds=1))
    assert isinstance(node.host, RecordingHost)
    assert any("TERM" in argv for argv in node.host.ran) is ending
    assert held(tmp_path) is not ending


def test_the_kill_that_is_still_to_come_is_swallowed_and_then_no_other(
    node: Node, tmp_path: Path
) -> None:
    one = side(tmp_path, ending=False, graceSeconds=1)
    operations.thaw_source(node, one)
    operations.end_hold(node, one)
    assert held(tmp_path)
    with (tmp_path / "run/podferry/hold/abc").open("a") as calls:
        calls.write(f"{KILL}\n")
    operations.end_hold(node, one)
    assert not held(tmp_path)


def test_a_kill_that_never_comes_is_not_waited_for_for_ever(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = side(tmp_path, ending=False, graceSeconds=1)
    operations.thaw_source(node, one)
    late = pending_kills.deadline(1)
    monkeypatch.setattr(pending_kills.time, "time", lambda: late)
    operations.end_hold(node, one)
    assert not held(tmp_path)
