"""The other containers of a source's pod are frozen, held, woken and ended with the moved one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from podferry.agent import companions, containers, operations
from podferry.agent.engine import Side
from podferry.agent.errors import AgentError
from podferry.agent.machine import SideState
from podferry.agent.node import Node
from podferry.agent.ops import deadman, shield, thaw
from podferry.agent.ops.freezer import Cgroup
from podferry.agent.ops.host import Completed, Host
from podferry.agent.store import Store
from podferry.wire.stages import Observed, Order, Progress, Role

UID, POD = "8f14e45f-ceea-467f-a8f2-0123456789ab", "pod-1"
APP, PROXY, MESH, SANDBOX, OTHER = ("a" * 64, "b" * 64, "c" * 64, "d" * 64, "e" * 64)


class Node_(Host):
    """A node of files; knows the containers of one pod and its sandbox. Programs are noted."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root), enter=False)
        self.root = root
        self.ran: list[list[str]] = []
        self.add(APP)
        self.add(SANDBOX, kind="sandbox")

    def add(
        self, identity: str, *, kind: str = "container", pod: str = POD, tasks: str = "1"
    ) -> None:
        group = self.root / f"pod/cri-{identity}.scope"
        group.mkdir(parents=True)
        (group / "cgroup.procs").write_text(f"{tasks}\n")
        (group / "freezer.state").write_text("THAWED")
        state = self.root / f"{containers.RUNC_ROOT[1:]}/{identity}/state.json"
        state.parent.mkdir(parents=True)
        state.write_text(json.dumps({"cgroup_paths": {"freezer": f"/pod/{group.name}"}}))
        bundle = self.root / f"bundle/{identity}"
        bundle.mkdir(parents=True)
        notes = {"io.kubernetes.cri.container-type": kind, "io.kubernetes.cri.sandbox-uid": pod}
        (bundle / "config.json").write_text(json.dumps({"annotations": notes}))

    def run(self, argv: Any, *, timeout: float = 30.0, stdin: str | None = None) -> Completed:
        self.ran.append(list(argv))
        if "state" in argv:
            found = {"status": "running", "pid": 7, "bundle": f"/bundle/{argv[-1]}"}
            return Completed(0, json.dumps(found), "")
        return Completed(0, "", "")

    def word(self, identity: str) -> str:
        return (self.root / f"pod/cri-{identity}.scope/freezer.state").read_text()

    def held(self) -> list[str]:
        folder = self.root / "run/podferry/hold"
        return sorted(item.name[0] for item in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def host(tmp_path: Path) -> Node_:
    return Node_(tmp_path)


@pytest.fixture
def side(host: Node_, monkeypatch: pytest.MonkeyPatch) -> Side:
    for name in ("raise_shield", "lower_shield", "break_off_dump", "disarm"):
        monkeypatch.setattr(operations, name, lambda *_arguments: None)
    monkeypatch.setattr(shield, "drain", lambda _pid: True)
    monkeypatch.setattr(thaw, "thaw", lambda *_arguments: True)
    order = Order(UID, 1, Role.SOURCE, "Frozen", params={"ending": False, "graceSeconds": 1})
    facts = {"containerID": APP, "podUID": POD}
    observed = Observed(UID, 1, Role.SOURCE, "Prepared", "Frozen", Progress.WORKING, None, facts)
    store = Store(str(host.root / "state"))
    made = Side(SideState(order, observed), store.folder(UID, 1, Role.SOURCE), store)
    store.save(made.state)
    return made


def freeze_of(host: Node_) -> operations.Freeze:
    found = containers.find(host, APP)
    return operations.Freeze(found, "10.0.0.2", 9560, False, "/tls", 60.0)


def frozen(host: Node_, side: Side, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A source whose pod was paused; returns what the dead-man was told to wake beside it."""
    told: list[Any] = []
    monkeypatch.setattr(deadman, "arm", lambda *_a, **more: told.extend(more["beside"]))
    node = Node(host)
    (host.root / "run/podferry/hold").mkdir(parents=True)
    operations.before_freeze(node, side, freeze_of(host))
    operations.pause(node, side, freeze_of(host))
    return told


def test_only_living_containers_of_the_same_pod_are_found(host: Node_) -> None:
    host.add(PROXY)
    host.add(MESH, tasks="")
    host.add(OTHER, pod="another")
    assert [one.id for one in companions.find(host, containers.find(host, APP))] == [PROXY]


def test_they_are_frozen_and_held_and_the_dead_man_knows_them(
    host: Node_, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.add(PROXY)
    told = frozen(host, side, monkeypatch)
    assert (host.word(APP), host.word(PROXY), host.word(SANDBOX)) == ("FROZEN", "FROZEN", "THAWED")
    assert host.held() == ["a", "b"]
    group = Cgroup(host.root / f"pod/cri-{PROXY}.scope", v2=False)
    assert told == [(group, f"/run/podferry/hold/{PROXY}")]


def test_a_roll_back_wakes_them_and_lets_kubelet_act_on_them_again(
    host: Node_, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.add(PROXY)
    frozen(host, side, monkeypatch)
    operations.thaw_source(Node(host), side)
    assert host.word(PROXY) == "THAWED"
    assert host.held() == []


def test_a_stop_of_one_that_could_not_answer_in_the_freeze_does_not_strike_after_it(
    host: Node_, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.add(PROXY)
    frozen(host, side, monkeypatch)
    hold = host.root / f"run/podferry/hold/{PROXY}"
    hold.write_text(f"--root /r kill {PROXY} 15\n")
    operations.thaw_source(Node(host), side)
    assert host.held() == ["b"]
    hold.write_text(hold.read_text() + f"--root /r kill {PROXY} 9\n")
    operations.end_hold(Node(host), side)
    assert host.held() == []
    assert side.facts["holdUntil"] == 0


def test_one_that_does_not_freeze_ends_the_attempt_before_the_workload_is_paused(
    host: Node_, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.add(PROXY)
    monkeypatch.setattr(Cgroup, "freeze", lambda group: PROXY not in str(group.folder))
    with pytest.raises(AgentError, match="bbbbbbbbbbbb of the pod"):
        frozen(host, side, monkeypatch)
    assert host.word(APP) == "THAWED"


def test_the_release_ends_all_of_them_and_containerd_may_delete_them(
    host: Node_, side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.add(PROXY)
    ended: list[tuple[str, list[str]]] = []

    def kill(group: Cgroup) -> bool:
        ended.append((group.folder.name.removeprefix("cri-")[:1], host.held()))
        return True

    frozen(host, side, monkeypatch)
    monkeypatch.setattr(Cgroup, "kill", kill)
    operations.release(Node(host), side)
    assert ended == [("a", []), ("b", [])]
