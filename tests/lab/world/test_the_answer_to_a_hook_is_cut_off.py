"""The wrapper is killed while it answers kubelet's call of a postStart hook at the target.

kubelet takes that for a hook that failed and kills the container, which stands frozen: what was in
it is still at the source.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from podferry.wire import names
from tests.lab.cluster import Cluster
from tests.lab.moves import OTHER, Moves, why
from tests.lab.test_move_and_hooks import HOOK, VOLUMES, container, starts
from tests.lab.world import moments

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

PLACE = f"{names.INSTALL_DIR}/skip_hook.py"
# Ends as if it was killed, at the first hook of this role; else it is the real program.
_KILLED = """
import json, os, signal, sys
note = json.load(open(sys.argv[1]))["record"]
if "hook-ROLE" in note and not os.path.exists(note + ".killed"):
    open(note + ".killed", "w").close()
    os.kill(os.getpid(), signal.SIGKILL)
os.execvp("python3", ["python3", "-I", "-S", "PLACE.real", *sys.argv[1:]])
"""


@contextmanager
def killed_once(cluster: Cluster, role: str) -> Iterator[None]:
    """On every node the first answer to a hook of this role is cut off."""
    program = _KILLED.replace("ROLE", role).replace("PLACE", PLACE)
    script = f"cp -p {PLACE} {PLACE}.real && cat > {PLACE} <<'E'\n{program}E\n"
    for node in OTHER:
        cluster.exec(node, ["sh", "-c", script])
    try:
        yield
    finally:
        for node in OTHER:
            cluster.exec(node, ["mv", f"{PLACE}.real", PLACE])


def moved(moves: Moves, image: str, kind: str, role: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The end of a move whose first hook of that role failed, and the pod after it."""
    source = moves.start(kind, "w", containers=[container(image, postStart=HOOK)], volumes=VOLUMES)
    earlier = moves.answer(source)
    with killed_once(moves.cluster, role):
        assert "created" in moves.request(kind, "w", "m", copy="StopAndCopy")
        status = moves.ended("m")
    print(f"{kind}: ended {status['phase']} ({why(status)})")
    uid = str(moves.get("migration", "m")["metadata"]["uid"])
    pod = moments.went_on_once(moves, earlier, uid)
    assert starts(moves, pod) == ["started"]
    return status, pod


@pytest.mark.parametrize(("kind", "role"), [("Deployment", "replacement"), ("Pod", "rehearsal")])
def test_in_a_rehearsal_the_move_is_rolled_back(
    moves: Moves, odd: str, kind: str, role: str
) -> None:
    status, _ = moved(moves, odd, kind, role)
    assert (status["phase"], why(status)) == ("RolledBack", "NotStarted"), status


def test_after_the_commit_of_a_kept_name_it_is_restored_again(moves: Moves, odd: str) -> None:
    status, pod = moved(moves, odd, "StatefulSet", "final")
    assert status["phase"] == "Succeeded", status
    assert pod["spec"]["nodeName"] == status["target"]["node"]
