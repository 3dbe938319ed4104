"""One move by podferry: a fresh workload, a request, and everything that was said about it."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass
from typing import Any

from podferry.wire import layout
from tools.bench import gap, memory, share, workload
from tools.bench.api import wait_for
from tools.bench.gap import Client
from tools.bench.stats import Cell
from tools.bench.world import BenchError, World, create

NAME = "ours"
END_SECONDS = 120.0
AFTER_ANSWERS = 100
"""Answers that must come after the end of a move before the client is stopped."""


def move(world: World, cell: Cell) -> dict[str, float]:
    """Start the workload, move it once, take it away; seconds and MiB by name.

    Raises BenchError when the move did not succeed, TimeoutError when it did not end.
    """
    body = workload.owner(cell.owner, NAME, cell.mebibytes)
    world.api.call("POST", workload.owner_path(cell.owner), body)
    try:
        pod = world.running_pod(NAME)
        if pod["spec"]["nodeName"] != workload.SOURCE:
            raise BenchError(f"the workload started on {pod['spec']['nodeName']}")
        return _observed(world, cell)
    finally:
        world.api.delete(workload.migration_path("move"))
        world.api.delete(workload.owner_path(cell.owner, NAME))
        for left in world.pods(NAME):  # a source that its owner gave up has no owner to end it
            world.api.delete(workload.pod_path(left["metadata"]["name"]), force=True)
        world.no_pods(NAME)
        gone = workload.migration_path("move")
        wait_for("the end of the Migration", lambda: not world.api.find(gone))


def service(world: World, name: str) -> str:
    """Make the Service of a mover; its ClusterIP."""
    create(world.api, workload.service_path("").rstrip("/"), workload.service(name))
    return str(world.api.call("GET", workload.service_path(name))["spec"]["clusterIP"])


def _observed(world: World, cell: Cell) -> dict[str, float]:
    (agent,) = memory.find(world.lab.box_cgroup(workload.SOURCE), "agent")
    client = Client(world, service(world, NAME), workload.PORT)
    try:
        client.wait_for_answers(AFTER_ANSWERS)
        peak = memory.Peak(memory.Group.of_agent(agent))
        asked = time.time()
        ended = _request(world, cell)
        extra = peak.stop()
        client.wait_for_answers(AFTER_ANSWERS)
    finally:
        samples = client.stop()
    status = ended["status"]
    if status["phase"] != "Succeeded":
        raise BenchError(f"{status['phase']}: {_why(status)}")
    if len(gap.processes(samples)) != 1:
        raise BenchError(f"{len(gap.processes(samples))} processes answered; one was expected")
    told = _told(world, ended, asked)
    parts: dict[str, float] = {}
    with contextlib.suppress(LookupError):  # a part that nobody told of leaves the freeze itself
        parts = share.parts(told.source, told.target, told.marks, told.stages)
    measured = status["measured"]
    return {
        "freeze": float(measured["freezeSeconds"]),
        "gap": gap.longest_gap(samples),
        "sample_spacing": gap.spacing(samples),
        "prepare": float(told.source["frozenAt"]) - asked,
        "total": float(measured["totalSeconds"]),
        "dump": float(measured["dumpSeconds"]),
        "restore": float(measured["restoreSeconds"]),
        **({"own": share.own(parts), "pause": parts["pause"]} if parts else {}),
        **{f"part_{name}": seconds for name, seconds in parts.items()},
        **extra,
    }


def _request(world: World, cell: Cell) -> dict[str, Any]:
    """Ask for the move and return the Migration once it has ended."""
    body = workload.migration(cell.owner, NAME, cell.copy, "move")
    world.api.call("POST", workload.migration_path(), body)

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = world.api.call("GET", workload.migration_path("move"))
        return found if (found.get("status") or {}).get("completedAt") else None

    ended: dict[str, Any] = wait_for("the end of the move", look, seconds=END_SECONDS, pause=0.2)
    return ended


def _why(status: dict[str, Any]) -> str:
    """Reason and message of an end that is no success."""
    found = {item["type"]: item for item in status.get("conditions") or []}
    last = found.get("Succeeded") or found.get("Accepted") or {}
    return f"{last.get('reason', 'no reason')}: {last.get('message', '')}"


@dataclass(frozen=True, slots=True)
class _Told:
    source: dict[str, Any]
    target: dict[str, Any]
    marks: dict[str, dict[str, Any]]
    stages: share.Stages


def _told(world: World, ended: dict[str, Any], since: float) -> _Told:
    """What both agents and the wrapper left about the last attempt of a Migration."""
    uid, attempt = str(ended["metadata"]["uid"]), int(ended["status"]["attempt"])
    sides = {}
    for role, node in (("source", workload.SOURCE), ("target", workload.TARGET)):
        path = f"{layout.side_dir(uid, attempt, role)}/observed.json"
        sides[role] = json.loads(world.path(node, path).read_text())["facts"]
    folder = world.path(workload.TARGET, layout.side_dir(uid, attempt, "target"))
    names = {
        "restored-replacement.json": "restored",
        "restored-rehearsal.json": "restored",
        "restored-final.json": "final-restored",
        "claim-final.json": "final-claim",
    }
    marks = {
        key: json.loads((folder / name).read_text())
        for name, key in names.items()
        if (folder / name).exists()
    }
    lines = world.agent_log(workload.SOURCE, since) + world.agent_log(workload.TARGET, since)
    return _Told(sides["source"], sides["target"], marks, share.stages(lines, uid))
