"""The namespace goes while a move in it stands: it must be able to go, and leave nothing."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.lab.moves import Moves
from tests.lab.world import moments

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        ("Deployment", "source.Frozen"),
        pytest.param("Deployment", "target.Rehearsed", marks=pytest.mark.lab),
        ("Deployment", "source.Sealed"),
        ("Deployment", "target.Resumed"),
        ("Deployment", "source.Released"),
        ("StatefulSet", "target.Rehearsed"),
        ("StatefulSet", "target.Resumed"),
        ("Pod", "target.Resumed"),
        ("Job", "target.Rehearsed"),
    ],
)
def test_it_is_gone_and_so_is_the_workload(moves: Moves, kind: str, step: str) -> None:
    pod = moves.start(kind, "w", mb=64)
    with ExitStack() as stand:
        uid = stand.enter_context(moments.held(moves, pod, step, kind))
        moves.cluster.kubectl("delete", "namespace", moves.namespace, "--wait=false")
        stand.close()
        what = f"namespace/{moves.namespace}"
        moves.cluster.kubectl("wait", "--for=delete", what, "--timeout=150s")
    moments.is_gone(moves, uid)
