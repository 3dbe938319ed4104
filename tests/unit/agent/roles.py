"""A node in a folder for the tests of both roles: operations are recorded, not done."""

from __future__ import annotations

import os
import shutil
import ssl
from pathlib import Path
from typing import Any

import pytest

from podferry.agent import files, operations, room, seal
from podferry.agent.engine import Side
from podferry.agent.machine import SideState
from podferry.agent.node import Node
from podferry.agent.ops import redirect
from podferry.agent.ops.host import Host
from podferry.agent.source import Source
from podferry.agent.store import Store
from podferry.agent.target import Target
from podferry.wire.stages import Observed, Order, Progress, Role, Verdict

UID = "8f14e45f-ceea-467f-a8f2-0123456789ab"
CID = "ab" * 32


class FakeGroup:
    """A container's freezer group."""

    def __init__(self, calls: list[str]) -> None:
        self.calls, self.frozen, self.tasks = calls, True, [4711]

    def pids(self) -> list[int]:
        return self.tasks

    def kill(self) -> bool:
        self.calls.append("kill")
        self.tasks = []
        return True

    def freeze(self) -> bool:
        self.calls.append("freeze")
        return True

    def is_frozen(self) -> bool:
        return self.frozen


class World:
    """A node in a folder; every operation that would touch tasks is recorded."""

    def __init__(self, path: Path, patch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.calls: list[str] = []
        self.group = FakeGroup(self.calls)
        self.node = Node(Host(str(path / "node"), enter=False))
        kernel = path / "node/proc/sys/kernel/random"
        kernel.mkdir(parents=True)
        (kernel / "boot_id").write_text("boot-1\n")
        self.wrapper = path / "node/proc/99"
        self.wrapper.mkdir()
        (self.wrapper / "stat").write_text("99 (python3) S 1")
        patch.setattr(operations, "cgroup_of", lambda _host, _id: self.group)
        for name in (
            "lower_shield",
            "raise_shield",
            "disarm",
            "release",
            "before_freeze",
            "reset_forwarded",
        ):
            patch.setattr(operations, name, self._record(name))
        patch.setattr(operations, "hand_over_connections", self._hand_over)
        patch.setattr(redirect, "address_of", lambda _host, _netns: "192.0.2.9")
        patch.setattr(operations, "thaw_cgroup", self._thaw)
        patch.setattr(operations, "thaw_source", self._thaw)
        patch.setattr(operations, "kill_container", self._kill)
        patch.setattr(room, "hold", self._hold_room)
        patch.setattr(room, "release", lambda _node, side: shutil.rmtree(side.ram, True))
        self.side_folder: Path = path

    def _record(self, name: str) -> Any:
        def record(*_arguments: object) -> int:
            self.calls.append(name)
            return 0

        return record

    def _hand_over(self, *_arguments: object) -> dict[str, Any]:
        self.calls.append("hand_over_connections")
        return {"connectionsReset": 2, "forwardedTo": "192.0.2.9"}

    @staticmethod
    def _hold_room(_node: Node, side: Side, _size: int = 0) -> None:
        for name in ("images", "streams", "work"):
            os.makedirs(f"{side.ram}/{name}", exist_ok=True)

    def marks(self) -> str:
        found = sorted({"RESUMING", "RESUMED", "ABORTED"} & set(os.listdir(self.side_folder)))
        return "+".join(found)

    def _thaw(self, *_arguments: object) -> None:
        self.calls.append(f"thaw[{self.marks()}]")
        self.group.frozen = False

    def _kill(self, *_arguments: object) -> None:
        self.calls.append(f"kill[{self.marks()}]")
        self.group.tasks = []

    def side(self, role: Role, stage: str, reached: str, **more: Any) -> Side:
        verdict = more.pop("verdict", Verdict.UNDECIDED)
        facts = {"containerID": CID, "netns": "/run/netns/x", **more.pop("facts", {})}
        order = Order(UID, 1, role, stage, verdict, 0, more)
        observed = Observed(UID, 1, role, reached, stage, Progress.WORKING, None, facts)
        store = Store(str(self.path / "state"))
        side = Side(SideState(order, observed), store.folder(UID, 1, role), store)
        store.save(side.state)
        self.side_folder = Path(side.folder)
        return side

    def claim(self, side: Side, role: str = "replacement", container: str = CID) -> None:
        files.write_json(
            f"{side.folder}/claim-{role}.json",
            {
                "containerID": container,
                "podUID": "pod-1",
                "bundle": "/bundle",
                "wrapperPID": 99,
                "bootID": "boot-1",
            },
        )


def target(world: World) -> Target:
    return Target(world.node, set)


def source(world: World) -> Source:
    return Source(world.node, ssl.create_default_context(), set)


def committed(world: World, **more: Any) -> Side:
    return world.side(Role.TARGET, "Resumed", "Rehearsed", verdict=Verdict.COMMITTED, **more)


def memory_arrived(world: World, side: Side) -> None:
    """All that a source sends of a process without a page, sealed, is at the target."""
    images = Path(side.ram) / "images"
    images.mkdir(parents=True)
    header = (2).to_bytes(4, "little") + bytes([8, 7])
    (images / "pagemap-1.img").write_bytes(bytes(8) + header)
    Path(f"{side.folder}/page-server.rc").write_text("0")
    seal.remember(world.node, side.order, "00" * 32)
    manifest = {"attempt": seal.attempt_of(side.order), "images": {}, "streams": {}}
    files.write_json(f"{side.ram}/manifest.json", seal.signed(bytes(32), manifest))
