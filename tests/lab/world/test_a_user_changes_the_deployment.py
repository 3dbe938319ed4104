"""The Deployment is scaled, as an HPA does it too (the scale subresource), or rolled in a move."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pytest

from podferry.wire import names
from tests.lab.faults import judge
from tests.lab.moves import Answer, Moves
from tests.lab.world import moments, remains

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]
STEPS = [
    "source.Frozen",
    pytest.param("target.Rehearsed", marks=pytest.mark.lab),
    "source.Sealed",
    "target.Resumed",
    "source.Released",
]


def change(moves: Moves, step: str, act: Callable[[], object]) -> tuple[Answer, str]:
    """Do `act` while the move of `w` stands before `step`, and see its end."""
    pod = moves.start("Deployment", "w", mb=64)
    earlier = moves.answer(pod)
    with ExitStack() as stand:
        uid = stand.enter_context(moments.held(moves, pod, step))
        act()
        stand.close()
        status = moves.ended("m")
    print(f"ended {status['phase']}: {status['decisionMessage']}")
    assert status["phase"] in ("Succeeded", "RolledBack"), status
    return earlier, uid


def scale(moves: Moves, replicas: int) -> None:
    """As `kubectl scale` and an HPA do it."""
    patch = f'{{"spec":{{"replicas":{replicas}}}}}'
    moves.kubectl("patch", "deployment", "w", "--subresource=scale", "--type=merge", "-p", patch)


@pytest.mark.parametrize("step", STEPS)
def test_scaled_to_nothing_nothing_is_left(moves: Moves, step: str) -> None:
    _, uid = change(moves, step, lambda: scale(moves, 0))
    moments.is_gone(moves, uid)


@pytest.mark.parametrize("step", STEPS)
def test_scaled_up_the_one_goes_on_beside_the_new_one(moves: Moves, step: str) -> None:
    earlier, uid = change(moves, step, lambda: scale(moves, 2))
    moves.kubectl("rollout", "status", "deployment/w", "--timeout=90s")
    moments.until(lambda: len(moves.get("pods", "-l", "app=w")["items"]) != 2, "not two pods")
    answers = []
    for pod in moves.get("pods", "-l", "app=w")["items"]:
        if names.ANNOTATION_RESTORE not in pod["metadata"].get("annotations", {}):
            moves.says(pod, " ready ")  # the log of a moved one begins after that
        answers.append(moves.answer(pod))
    assert [judge.went_on(earlier, one) for one in answers].count("") == 1, answers
    moments.until(lambda: remains.left_over(moves, uid), "left over")


@pytest.mark.parametrize("step", STEPS)
def test_rolled_only_the_new_one_is_left(moves: Moves, step: str) -> None:
    earlier, uid = change(moves, step, lambda: moves.kubectl("rollout", "restart", "deployment/w"))
    moves.kubectl("rollout", "status", "deployment/w", "--timeout=120s")
    fresh = remains.one_pod(moves, "w")
    moves.says(fresh, " ready ")
    assert moves.answer(fresh).boot != earlier.boot
    moments.until(lambda: remains.left_over(moves, uid), "left over")
