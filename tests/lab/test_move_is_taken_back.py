"""A target that ends between the decision and its resume gives the workload back to its source."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.breakpoints import before
from tests.lab.moves import OTHER, Moves, why

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]


def lose_the_target(moves: Moves, pod: dict[str, Any], kind: str) -> dict[str, Any]:
    """Move `w` and delete its target between the decision and the resume; the status at the end."""
    with before(moves.cluster, OTHER[pod["spec"]["nodeName"]], "target", "Resumed"):
        moves.request(kind, "w", "m", copy="StopAndCopy")
        moves.kubectl("wait", "migration/m", "--for=condition=Committed", "--timeout=90s")
        target = moves.get("migration", "m")["status"]["target"]["pod"]
        moves.kubectl("delete", "pod", target, "--force", "--grace-period=0")
        return moves.ended("m")


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_a_target_deleted_after_the_commit_reverts_it(moves: Moves, kind: str) -> None:
    pod = moves.start(kind, "w", mb=64)
    earlier = moves.answer(pod)
    status = lose_the_target(moves, pod, kind)
    assert (status["phase"], status["decision"]) == ("RolledBack", "Reverted"), status
    assert why(status) == "TargetNeverRan"
    kept = moves.pod("w")
    assert kept["metadata"]["uid"] == pod["metadata"]["uid"]
    assert kept["metadata"]["labels"] == pod["metadata"]["labels"]
    later = moves.answer(kept)
    assert (later.boot, later.number) == (earlier.boot, earlier.number + 1)
    assert later.found == later.expected
    if kind == "Job":  # its target belonged to nobody, so that its end counts as no failure
        assert not moves.get("job", "w")["status"].get("failed")
