"""The commands of docs/how-to/frozen-pod.md do what they say, on a pod that is frozen."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from podferry.lab.cluster import reboot
from tests.lab.faults import judge
from tests.lab.moves import OTHER, Moves, why
from tests.lab.world import moments, test_a_node_reboots

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


def test_every_command_of_the_page_is_run_here() -> None:
    looks = [line for line in commands() if " get " in line or " describe " in line]
    others = [line for line in commands() if line not in looks]
    assert len(looks) >= 3
    assert sorted({line.split()[1] for line in others}) == ["cancel", "taint"], others


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


def test_a_target_that_is_gone_for_good_is_fenced_and_the_source_goes_on(moves: Moves) -> None:
    cluster = moves.cluster
    pod = moves.start("Deployment", "w", mb=64)
    earlier = moves.answer(pod)
    node = OTHER[pod["spec"]["nodeName"]]
    (taint,) = [line for line in commands() if line.startswith("kubectl taint")]
    with ExitStack() as undo:
        uid = undo.enter_context(moments.held(moves, pod, "target.Resumed"))
        moves.kubectl("wait", "migration/m", "--for=condition=Committed", "--timeout=60s")
        reboot.power_off(cluster.lab, node)
        undo.callback(test_a_node_reboots.reboot, cluster, node)
        reason = "jsonpath={.status.conditions[?(@.type=='Resumed')].reason}"
        told = f"{reason}=TargetUnreachableAfterCommit"
        moves.kubectl("wait", "migration/m", f"--for={told}", "--timeout=90s")
        run(moves, taint, node)
        undo.callback(cluster.kubectl, "taint", "node", node, "node.kubernetes.io/out-of-service-")
        status = moves.ended("m")
        assert (status["phase"], status["decision"]) == ("RolledBack", "Reverted"), status
        assert why(status) == "TargetNeverRan"
        after = moves.answer(judge.one_pod(moves, "w"))
        assert (after.boot, after.number) == (earlier.boot, earlier.number + 1)
        assert after.found == after.expected
    moments.went_on_once(moves, after, uid)
