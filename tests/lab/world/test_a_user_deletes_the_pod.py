"""The source's pod is deleted, or evicted, while its move stands in one step.

Before the decision the user's wish ends the move and the pod; its owner starts afresh, as it would
without us. After the decision the workload belongs to the target, and goes on there.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.lab.moves import Moves, why
from tests.lab.world import events, moments, remains

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]
FROZEN = "target.Rehearsed"


@pytest.mark.parametrize(
    "step", ["source.Frozen", pytest.param(FROZEN, marks=pytest.mark.lab), "source.Sealed"]
)
@pytest.mark.parametrize("how", ["delete", "evict"])
def test_before_the_decision_the_owner_starts_afresh(moves: Moves, how: str, step: str) -> None:
    pod = moves.start("Deployment", "w", mb=64)
    earlier = moves.answer(pod)
    with ExitStack() as stand:
        uid = stand.enter_context(moments.held(moves, pod, step))
        end(moves, pod, how)
        stand.close()
        status = moves.ended("m")
    assert (status["phase"], why(status)) == ("RolledBack", "SourceChanged"), status
    moves.gone(pod)
    moves.kubectl("rollout", "status", "deployment/w", "--timeout=90s")
    fresh = remains.one_pod(moves, "w")
    moves.says(fresh, " ready ")
    assert moves.answer(fresh).boot != earlier.boot
    moments.until(lambda: remains.left_over(moves, uid), "left over")


@pytest.mark.parametrize(
    "step", [pytest.param("target.Resumed", marks=pytest.mark.lab), "source.Released"]
)
def test_after_the_decision_it_goes_on_at_the_target(moves: Moves, step: str) -> None:
    pod = moves.start("Deployment", "w", mb=64)
    earlier = moves.answer(pod)
    with ExitStack() as stand:
        uid = stand.enter_context(moments.held(moves, pod, step))
        end(moves, pod, "delete")
        stand.close()
        status = moves.ended("m")
    assert status["phase"] == "Succeeded", status
    moments.went_on_once(moves, earlier, uid)


def end(moves: Moves, pod: dict[str, object], how: str) -> None:
    """Delete or evict the pod; its end is not waited for."""
    if how == "evict":
        # As where podferry answers no evictions: in a namespace that opts out, or with it away.
        moves.cluster.kubectl("label", "namespace", moves.namespace, "podferry.dev/exclude=true")
        moments.until(lambda: _not_evicted(moves, pod), "the eviction")
    else:
        name = pod["metadata"]["name"]  # type: ignore[index]
        moves.kubectl("delete", "pod", name, "--wait=false", "--grace-period=1")


def _not_evicted(moves: Moves, pod: dict[str, object]) -> str:
    """What stands against the eviction; empty once it passed."""
    said = events.evict(moves.cluster, pod)
    return "" if "Success" in said else said
