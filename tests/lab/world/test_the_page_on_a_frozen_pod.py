"""What docs/how-to/frozen-pod.md says to look at, and its cancel, on a pod that is frozen.

Its taint of a node that is gone is not run here.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lab.moves import Moves
from tests.lab.world import moments

pytestmark = [pytest.mark.faults, pytest.mark.timeout(500)]
PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "frozen-pod.md"
CANCEL = "podferry cancel NAME -n NAMESPACE"


def commands() -> list[str]:
    """Every command of the page, in its order."""
    text = PAGE.read_text()
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    inline = re.findall(r"`((?:kubectl|podferry) [^`]+)`", text)
    return [line for line in [*lines, *inline] if line.startswith(("kubectl ", "podferry "))]


def run(moves: Moves, command: str, node: str = "") -> str:
    """Run one of them as a person does; it must end well."""
    words = {"NAMESPACE": moves.namespace, "NAME": "m", "NODE": node}
    program, *argv = [words.get(word, word) for word in shlex.split(command)]
    print(program, *argv)
    if program == "kubectl":
        return moves.cluster.kubectl(*argv)
    env = {**os.environ, "KUBECONFIG": str(moves.cluster.kubeconfig)}
    done = subprocess.run(
        [sys.executable, "-m", "podferry.cli.main", *argv],
        capture_output=True, text=True, env=env, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


@pytest.mark.lab
def test_a_frozen_pod_is_seen_and_a_cancel_wakes_it_up(moves: Moves) -> None:
    pod = moves.start("Deployment", "w", mb=64)
    earlier = moves.answer(pod)
    with ExitStack() as stand:
        uid = stand.enter_context(moments.held(moves, pod, "target.Rehearsed"))
        said = [run(moves, line) for line in commands() if " get " in line or " describe " in line]
        assert any("Freezing" in text for text in said), said
        run(moves, CANCEL)
        stand.close()
        status = moves.ended("m")
    assert status["phase"] == "Cancelled", status
    moments.went_on_once(moves, earlier, uid)
