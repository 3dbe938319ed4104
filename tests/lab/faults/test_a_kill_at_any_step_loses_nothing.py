"""Each part is killed once in each step of a move on real nodes.

The agents halt before a stage (tests/lab/breakpoints.py), so the kill falls into a known step;
pid and step are printed and written down. `make test-faults` runs all of it, `make test` those
marked `lab` too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.cluster import Cluster
from tests.lab.faults import cells, judge, record, victims
from tests.lab.faults.arena import Arena
from tests.lab.faults.cells import Cell
from tests.lab.faults.machine import Node, entries
from tests.lab.faults.watch import Watch
from tests.lab.moves import OTHER, Moves, why

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
BREAKPOINTS = "/run/podferry-breakpoints"
HALT_SECONDS = 60.0


@pytest.fixture(scope="module")
def arena(ferry: Cluster) -> Iterator[Arena]:
    """The session's lab, made ready for kills and put back afterwards."""
    made = Arena(ferry)
    yield made
    made.close()


def params() -> Iterator[Any]:
    """Every cell."""
    for cell in cells.every():
        marks = [pytest.mark.lab] if cell in cells.ALWAYS else []
        yield pytest.param(cell, marks=marks, id=str(cell))


class Run:
    """One cell in the making."""

    def __init__(self, arena: Arena, cell: Cell, source: str) -> None:
        self.arena, self.cell = arena, cell
        self.source, self.target = arena.nodes[source], arena.nodes[OTHER[source]]
        self.role, _, self.stage = cell.step.partition(".")
        self.halting = self.source if self.role == "source" else self.target
        self.leader = arena.leader_node()
        self.uid = ""

    def victim(self) -> tuple[Node, str, int]:
        """Where, what, and which pid of the node (0: the one there is)."""
        victim = self.cell.victim
        if victim == "leader":
            return self.leader, "controller", 0
        if victim == "wrapper":
            return self.target, "wrapper", int(self._claim().get("wrapperPID", 0))
        if victim == "lazy-page daemon":
            return self.target, "lazy-pages", 0
        if victim == "criu":
            restores = self.cell.copy == "StopAndCopy" and self.role == "target"
            return self.target if restores else self.source, "criu", 0
        kind, _, side = victim.rpartition(" of the ")
        if not kind:
            side, _, kind = victim.partition(" ")
        return self.source if side == "source" else self.target, kind, 0

    def _file(self, name: str) -> str:
        return f"/var/lib/podferry/attempts/{self.uid}.1/{name}"

    def _claim(self) -> dict[str, Any]:
        role = "replacement"
        if self.cell.keeps_name:
            role = "final" if self.stage == "Resumed" else "rehearsal"
        return self.target.json(self._file(f"target/claim-{role}.json"))

    def is_halted(self) -> bool:
        """Whether the step was ordered; for a kept name also that the last pod's wrapper waits."""
        wanted = self.halting.json(self._file(f"{self.role}/observed.json")).get("wanted")
        if wanted != self.stage:
            return False
        final = self.cell.keeps_name and self.stage == "Resumed"
        return not final or bool(self._claim())

    def strike(self) -> list[victims.Killed]:
        """Let the move come to the step, kill, and let it go on."""
        point = self.halting.path(f"{BREAKPOINTS}/{self.cell.step}")
        try:
            deadline = time.monotonic() + HALT_SECONDS
            while not self.is_halted():
                assert time.monotonic() < deadline, f"{self.cell.step} was not ordered"
                time.sleep(0.005)
            node, kind, pid = self.victim()
            old = entries() if self.cell.inside else frozenset()
            if self.cell.inside:
                point.unlink()
            killed = [victims.kill(node, kind, self.cell.victim, pid=pid, old=old)]
        finally:
            point.unlink(missing_ok=True)
        if self.cell.again:
            killed.append(victims.kill(node, kind, self.cell.victim, but=killed[0].here))
        return killed

    def halt(self) -> None:
        """From now on the agent halts before the step."""
        folder = self.halting.path(BREAKPOINTS)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.cell.step).touch()


@pytest.mark.parametrize("cell", list(params()))
def test_the_workload_goes_on_once_and_nothing_is_left(arena: Arena, cell: Cell) -> None:
    began = time.monotonic()
    arena.whole()
    app, pod = arena.workload(cell.owner)
    moves, name = arena.moves, arena.next_name()
    before, earlier = arena.left(), moves.answer(pod)
    run = Run(arena, cell, pod["spec"]["nodeName"])
    watch = Watch(f"/{arena.cluster.lab.cgroup}/", arena.other_uids(app))
    outcome, killed, good = "not asked for", [], False
    lost, left = "", ["not looked at"]
    try:
        run.halt()
        watch.start()
        said = moves.request(cell.owner, app, name, copy=cell.copy)
        assert "created" in said, said
        run.uid = moves.get("migration", name)["metadata"]["uid"]
        outcome, lost = "no end", "not known"
        killed = run.strike()
        print(f"\nkilled {', then '.join(map(str, killed))} in step {cell.step}")
        named = _exception(moves, name) if cell.copy == "PostCopy" else ""
        status = moves.ended(name)
        outcome = f"{named}{status['phase']} ({why(status)})"
        print(f"ended {outcome}")
        lost = _lost(moves, app, earlier)
        watch.stop()
        left = judge.left_over(moves, arena.nodes, before, app, pod, name)
        print(*watch.seen_at_once, sep="\n", end="")
        assert status["phase"] in ("Succeeded", "RolledBack"), status
        assert (lost, watch.doubled(), left) == ("", 0, [])
        good = True
    finally:
        watch.stop()
        pids = " ".join(str(one.pid) for one in killed)
        record.append(record.Row(
            cell.victim + " twice" * cell.again, pids, cell.step,
            cell.owner, cell.copy, outcome, round(watch.longest_stop(), 2), int(bool(lost)),
            int(watch.doubled() > 0), "; ".join(left), round(time.monotonic() - began, 1),
        ))  # fmt: skip
        if not good:
            arena.give_up()
        moves.kubectl("delete", "migration", name, "--wait=false", check=False)


def _exception(moves: Moves, name: str) -> str:
    """Wait for the end or for the one declared exception; that one is then taken back, as a person
    would. Returns what to write of it."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = moves.get("migration", name)["status"].get("conditions") or []
        reasons = {item["type"]: (item["status"], item["reason"]) for item in found}
        if reasons.get("Progressing", ("", ""))[0] == "False":
            return ""
        waits, reason = reasons.get("Paging", ("", ""))
        # The target stands still, or it ended before its agent could stop it: both wait for a
        # person, and the frozen source is whole.
        if waits == "True" and reason in ("PagesLost", "EndedWhilePaging"):
            message = next(item["message"] for item in found if item["type"] == "Paging")
            print(f"Paging=True, reason {reason}: {message}")
            patch = '{"spec":{"cancel":true}}'
            moves.kubectl("patch", "migration", name, "--type=merge", "-p", patch)
            return f"{reason}; cancelled; "
        time.sleep(0.2)
    return "neither ended nor named; "


def _lost(moves: Moves, app: str, earlier: Any) -> str:
    """Empty, or what is wrong with the workload after the move."""
    deadline = time.monotonic() + 60
    while True:
        items = moves.get("pods", "-l", f"app={app}")["items"]
        living = [pod for pod in items if not pod["metadata"].get("deletionTimestamp")]
        if len(living) == 1 and living[0]["status"].get("podIP"):
            return judge.went_on(earlier, moves.answer(living[0]))
        if time.monotonic() > deadline:
            return f"pods {[pod['metadata']['name'] for pod in living]}"
        time.sleep(0.2)
