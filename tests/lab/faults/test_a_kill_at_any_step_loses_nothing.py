"""Each part is killed once in each step of a move by StopAndCopy on real nodes.

The agents halt before a stage (tests/lab/breakpoints.py), so the kill falls into a known step;
pid and step are printed. `make test-faults` runs all of it, `make test` those marked `lab` too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.lab.breakpoints import before
from tests.lab.faults import judge, victims
from tests.lab.moves import OTHER, Moves, why

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

STEPS = (
    "target.Prepared", "source.Prepared", "source.Frozen", "target.Rehearsed",
    "source.Sealed", "target.Resumed", "source.Redirected", "source.Released", "target.Forgotten",
)  # fmt: skip
VICTIMS = (
    "leader", "source agent", "target agent", "wrapper", "containerd of the source",
    "containerd of the target", "kubelet of the source", "kubelet of the target",
)  # fmt: skip
ALWAYS = {
    ("leader", "target.Resumed"), ("source agent", "source.Frozen"),
    ("target agent", "target.Rehearsed"), ("wrapper", "source.Frozen"),
}  # fmt: skip
"""Those that `make test` runs."""
HELD = ("source.Prepared", "source.Frozen", "target.Rehearsed")
"""Steps in which the wrapper holds the target's container."""


def cells() -> Iterator[Any]:
    """Each victim in each step in which it has something to do."""
    for victim in VICTIMS:
        for step in STEPS if victim != "wrapper" else HELD:
            marks = [pytest.mark.lab] if (victim, step) in ALWAYS else []
            yield pytest.param(victim, step, marks=marks, id=f"{victim} at {step}")


def halted(moves: Moves, node: str, uid: str, step: str) -> None:
    """Wait until the agent of `node` was ordered to the step's stage."""
    role, _, stage = step.partition(".")
    file = f"/var/lib/podferry/attempts/{uid}.1/{role}/observed.json"
    deadline = time.monotonic() + 60
    while f'"wanted": "{stage}"' not in moves.cluster.exec(node, ["cat", file], check=False):
        assert time.monotonic() < deadline, f"{step} was not ordered within 60 s"


def strike(moves: Moves, victim: str, source: str) -> victims.Killed:
    """Kill the victim."""
    if victim == "leader":
        return victims.kill_leader(moves.cluster)
    kind, _, side = victim.rpartition(" of the ")
    if not kind:
        side, _, kind = victim.partition(" ")
    if victim == "wrapper":
        kind, side = "wrapper", "target"
    return victims.kill(moves.cluster, source if side == "source" else OTHER[source], kind)


@pytest.mark.parametrize(("victim", "step"), list(cells()))
def test_the_workload_goes_on_once_and_nothing_is_left(
    moves: Moves, victim: str, step: str
) -> None:
    pod = moves.start("Deployment", "w", mb=64)
    earlier = moves.answer(pod)
    source = pod["spec"]["nodeName"]
    role, _, stage = step.partition(".")
    node = source if role == "source" else OTHER[source]
    with ExitStack() as stack:
        stack.callback(victims.settle, moves.cluster)
        with before(moves.cluster, node, role, stage):
            moves.request("Deployment", "w", "m", copy="StopAndCopy")
            uid = moves.get("migration", "m")["metadata"]["uid"]
            halted(moves, node, uid, step)
            print(f"killed {strike(moves, victim, source)} in step {step}")
        status = moves.ended("m")
        print(f"ended {status['phase']} ({why(status)})")
        assert status["phase"] in ("Succeeded", "RolledBack"), status
        after = moves.answer(judge.one_pod(moves, "w"))
        assert judge.went_on(earlier, after) == ""
        assert judge.left_over(moves, uid) == []
