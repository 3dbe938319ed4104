"""A move that stands still before one step, and what must hold once it was let go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.lab.breakpoints import before
from tests.lab.faults import judge
from tests.lab.moves import OTHER, Answer, Moves
from tests.lab.world import remains

SETTLE_SECONDS = 90.0


@contextmanager
def held(
    moves: Moves,
    pod: dict[str, Any],
    step: str,
    kind: str = "Deployment",
    copy: str = "StopAndCopy",
) -> Iterator[str]:
    """Move `w` as Migration `m`; it stands before `step` until the block ends. Yields its uid.

    `step` is `role.Stage`, for instance `source.Sealed`: ordered, and not begun; or
    `target.rootfs`: the workload is frozen and its files are on the way.
    """
    role, _, stage = step.partition(".")
    source = pod["spec"]["nodeName"]
    node = source if role == "source" else OTHER[source]
    with before(moves.cluster, node, role, stage):
        said = moves.request(kind, "w", "m", copy=copy)
        assert "created" in said, said
        uid = str(moves.get("migration", "m")["metadata"]["uid"])
        told = f'"wanted": "{stage}"'
        if stage == "rootfs":
            role, node, told = "source", source, '"frozenAt"'
        file = f"/var/lib/podferry/attempts/{uid}.1/{role}/observed.json"
        until(
            lambda: "" if told in moves.cluster.exec(node, ["cat", file], check=False) else step,
            "the step was not ordered",
        )
        print(f"stands before {step}")
        yield uid


def until(wrong: Callable[[], object], what: str, seconds: float = SETTLE_SECONDS) -> None:
    """Return once `wrong()` is empty; fails with what it said last."""
    deadline = time.monotonic() + seconds
    while said := wrong():
        assert time.monotonic() < deadline, f"{what} after {seconds:.0f} s: {said}"
        time.sleep(0.3)


def went_on_once(moves: Moves, earlier: Answer, uid: str) -> dict[str, Any]:
    """The one pod of `w` is that very process with its memory whole; nothing is left over."""
    pod = remains.one_pod(moves, "w")
    assert judge.went_on(earlier, moves.answer(pod)) == ""
    until(lambda: remains.left_over(moves, uid), "left over")
    return pod


def is_gone(moves: Moves, uid: str) -> None:
    """No pod of `w` is there any more, and nothing of the move is on the nodes."""
    names = ["get", "pods", "-l", "app=w", "-o", "name"]
    until(lambda: moves.kubectl(*names).split(), "pods are left")
    until(lambda: remains.left_on_nodes(moves, uid), "left over")
