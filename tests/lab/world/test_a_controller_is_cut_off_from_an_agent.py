"""A partition between the controller and one agent: it waits, says for whom, and goes on once."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.lab.moves import OTHER, Moves, why
from tests.lab.world import events, moments

pytestmark = [pytest.mark.faults, pytest.mark.timeout(500)]


@pytest.mark.parametrize(
    ("step", "cut", "told"),
    [
        ("source.Sealed", "source", ("Progressing", "AgentUnreachable")),
        pytest.param(
            "target.Resumed", "target", ("Resumed", "TargetUnreachableAfterCommit"),
            marks=pytest.mark.lab,
        ),
    ],
)  # fmt: skip
def test_a_person_is_told_and_the_workload_goes_on_once(
    moves: Moves, step: str, cut: str, told: tuple[str, str]
) -> None:
    pod = moves.start("Deployment", "w", mb=64)
    earlier = moves.answer(pod)
    source = pod["spec"]["nodeName"]
    with ExitStack() as stand:
        uid = stand.enter_context(moments.held(moves, pod, step))
        with events.cut_from_controllers(
            moves.cluster, source if cut == "source" else OTHER[source]
        ):
            stand.close()
            kind, reason = told
            path = f"jsonpath={{.status.conditions[?(@.type=='{kind}')].reason}}={reason}"
            moves.kubectl("wait", "migration/m", f"--for={path}", "--timeout=60s")
    status = moves.ended("m")
    print(f"ended {status['phase']} ({why(status)})")
    assert status["phase"] in ("Succeeded", "RolledBack"), status
    moments.went_on_once(moves, earlier, uid)


def test_a_source_that_nobody_seals_wakes_up_by_itself(moves: Moves) -> None:
    pod = moves.start("Deployment", "w", mb=64)
    earlier = moves.answer(pod)
    with ExitStack() as stand:
        uid = stand.enter_context(moments.held(moves, pod, "target.Rehearsed"))
        with events.cut_from_controllers(moves.cluster, pod["spec"]["nodeName"]):
            stand.close()
            moments.until(lambda: _silent(moves, pod), "the dead-man did not thaw it", 120)
            during = moves.answer(pod)
            assert (during.boot, during.found) == (earlier.boot, during.expected)
    status = moves.ended("m")
    assert (status["phase"], why(status)) == ("RolledBack", "FateThawed"), status
    moments.went_on_once(moves, during, uid)


def _silent(moves: Moves, pod: dict[str, object]) -> str:
    try:
        moves.ask(pod, "sum")
    except AssertionError as error:
        return str(error)
    return ""
