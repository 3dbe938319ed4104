"""Moves after moves, PostCopy, a restart after a move, and two requests for one pod."""

from __future__ import annotations

import pytest

from tests.lab.moves import Moves, why

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]


def _settled(moves: Moves, gone: dict[str, object]) -> dict[str, object]:
    metadata = gone["metadata"]
    assert isinstance(metadata, dict)
    moves.kubectl("wait", "--for=delete", f"pod/{metadata['name']}", "--timeout=60s")
    return moves.pod("w")


def test_three_moves_in_a_row_keep_process_count_and_memory(moves: Moves) -> None:
    pod = moves.start("Deployment", "w")
    first = last = moves.answer(pod)
    for number, copy in enumerate(("StopAndCopy", "PostCopy", "StopAndCopy")):
        status = moves.migrate("Deployment", "w", f"m{number}", copy=copy)
        assert status["phase"] == "Succeeded", status
        pod = _settled(moves, pod)
        now = moves.answer(pod)
        assert now.boot == first.boot
        assert now.number == last.number + 1
        assert now.found == now.expected == first.expected
        last = now
        paging = [item["status"] for item in status["conditions"] if item["type"] == "Paging"]
        assert paging == (["False"] if copy == "PostCopy" else [])


def test_a_container_that_restarts_after_its_move_starts_anew(moves: Moves) -> None:
    pod = moves.start("Deployment", "w")
    before = moves.answer(pod)
    assert moves.migrate("Deployment", "w", "m")["phase"] == "Succeeded"
    target = _settled(moves, pod)
    metadata, spec = target["metadata"], target["spec"]
    assert isinstance(metadata, dict)
    assert isinstance(spec, dict)
    # The workload's pid 1 is `counter`; ended from the node, as an OOM kill would end it.
    script = (
        f"for p in $(grep -l {str(metadata['uid']).replace('-', '.')} /proc/[0-9]*/cgroup |"
        " cut -d/ -f3); do grep -q counter /proc/$p/comm && kill -9 $p; done"
    )
    moves.cluster.exec(str(spec["nodeName"]), ["sh", "-c", script])
    moves.kubectl(
        "wait", f"pod/{metadata['name']}", "--timeout=90s",
        "--for=jsonpath={.status.containerStatuses[0].restartCount}=1",
    )  # fmt: skip
    moves.kubectl("wait", f"pod/{metadata['name']}", "--timeout=60s", "--for=condition=Ready")
    assert moves.answer(moves.pod("w")).boot != before.boot


def test_of_two_migrations_of_one_pod_exactly_one_acts(moves: Moves) -> None:
    pod = moves.start("Deployment", "w", mb=256)
    before = moves.answer(pod)
    moves.request("Deployment", "w", "m1")
    moves.request("Deployment", "w", "m2")
    ends = {name: moves.ended(name) for name in ("m1", "m2")}
    assert sorted(end["phase"] for end in ends.values()) == ["Failed", "Succeeded"], ends
    refused = next(end for end in ends.values() if end["phase"] == "Failed")
    assert why(refused) == "AlreadyMigrating"
    assert moves.answer(_settled(moves, pod)).boot == before.boot


@pytest.mark.parametrize("kind", ["StatefulSet", "Pod"])
def test_a_pod_that_keeps_its_name_goes_there_and_back_by_post_copy(
    moves: Moves, kind: str
) -> None:
    pod = moves.start(kind, "w", mb=256)
    before = moves.answer(pod)
    for number in (1, 2):
        status = moves.migrate(kind, "w", f"m{number}", copy="PostCopy")
        assert status["phase"] == "Succeeded", status
        moves.gone(pod)
        pod = moves.pod("w")
        assert pod["spec"]["nodeName"] == status["target"]["node"]
        now = moves.answer(pod)
        assert (now.boot, now.number) == (before.boot, before.number + number)
        assert now.found == now.expected == before.expected
