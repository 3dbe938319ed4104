"""Started after RESUMED of its own pod, and never of an attempt that was given up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from podferry.agent import deferred
from podferry.agent.node import Node
from podferry.agent.ops.host import Completed, Host

ATTEMPT, POD, CID = "8f14e45f-ceea-467f-a8f2-0123456789ab.1", "pod-1", "ab" * 32


class Runc(Host):
    """Answers `start` and `state`; notes the starts."""

    def __init__(self, root: Path, *, code: int, status: str) -> None:
        super().__init__(str(root), enter=False)
        self.code, self.status = code, status
        self.started: list[str] = []

    def run(self, argv: Any, *, timeout: float = 30.0, stdin: str | None = None) -> Completed:
        if "start" in argv:
            self.started.append(argv[-1])
            return Completed(self.code, "", "no")
        return Completed(0 if self.status else 1, json.dumps({"status": self.status}), "")


class World:
    """A node with one container whose start waits."""

    def __init__(self, root: Path) -> None:
        self.target = root / f"var/lib/podferry/attempts/{ATTEMPT}/target"
        self.target.mkdir(parents=True)
        self.mark = root / f"run/podferry/waiting/{CID}"
        self.mark.parent.mkdir(parents=True)
        self.mark.write_text(json.dumps({"attempt": ATTEMPT, "podUID": POD}))
        self.root = root

    def says(self, name: str, pod: str = POD) -> None:
        (self.target / name).write_text(json.dumps({"podUID": pod}))

    def start(self, *, code: int = 0, status: str = "created") -> tuple[list[str], bool]:
        """What was started, and whether the marker is left."""
        runc = Runc(self.root, code=code, status=status)
        deferred.start_due(Node(runc))
        return runc.started, self.mark.exists()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_it_is_started_once_after_its_pod_was_resumed(world: World) -> None:
    world.says("RESUMED")
    assert world.start() == ([CID], False)
    assert world.start() == ([], False)


@pytest.mark.parametrize("marks", [(), ("RESUMING",), ("RESUMED", "ABORTED"), ("ABORTED",)])
def test_it_waits_as_long_as_its_workload_may_run_elsewhere(
    world: World, marks: tuple[str, ...]
) -> None:
    for name in marks:
        world.says(name)
    assert world.start() == ([], True)


def test_the_pod_of_a_rehearsal_starts_nothing_when_the_final_one_runs(world: World) -> None:
    world.says("RESUMED", pod="pod-2")
    assert world.start() == ([], True)


@pytest.mark.parametrize(("status", "left"), [("created", True), ("running", False), ("", False)])
def test_a_start_that_fails_is_tried_again_only_while_there_is_something_to_start(
    world: World, status: str, left: bool
) -> None:
    world.says("RESUMED")
    assert world.start(code=1, status=status) == ([CID], left)


def test_a_node_without_any_has_nothing_to_do(tmp_path: Path) -> None:
    assert deferred.start_due(Node(Host(str(tmp_path), enter=False))) == []
