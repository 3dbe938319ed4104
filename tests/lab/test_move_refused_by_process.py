"""What a program holds open decides as well: asked at the request, and again before the freeze."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.breakpoints import before
from tests.lab.moves import OTHER, Moves, refusal, why
from tests.lab.on_node import left_over, processes

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

HELD = {"io_uring": ("IOUring", "USR1"), "mptcp": ("MPTCP", "USR2")}
ADVICE = {"io_uring": "UV_USE_IO_URING=0", "mptcp": "GODEBUG=multipathtcp=0"}


def holder(image: str, what: str = "") -> dict[str, Any]:
    """A container with the program that opens what it is told to."""
    env = [{"name": "OPEN", "value": what}]
    return {"name": "app", "image": image, "imagePullPolicy": "Never", "env": env,
            "command": ["/holder"]}  # fmt: skip


@pytest.mark.parametrize("what", HELD)
def test_a_program_that_holds_what_cannot_be_dumped_is_refused(
    moves: Moves, odd: str, what: str
) -> None:
    pod = moves.start("Pod", "w", containers=[holder(odd, what)])["metadata"]
    moves.migrate("Pod", "w", "m")
    migration = moves.get("migration", "m")
    reason, message = refusal(migration)
    assert reason == HELD[what][0], message
    assert ADVICE[what] in message
    assert moves.pod("w")["metadata"]["resourceVersion"] == pod["resourceVersion"]


@pytest.mark.parametrize("what", HELD)
def test_what_a_program_opens_after_the_checks_is_seen_before_the_freeze(
    moves: Moves, odd: str, what: str
) -> None:
    pod = moves.start("Deployment", "w", containers=[holder(odd)])
    node, uid = pod["spec"]["nodeName"], pod["metadata"]["uid"]
    (process,) = processes(moves.cluster, node, uid, "holder")
    with before(moves.cluster, node, "source", "Frozen"):
        moves.request("Deployment", "w", "m")
        moves.kubectl("wait", "migration/m", "--for=condition=TargetReady", "--timeout=60s")
        moves.cluster.exec(node, ["kill", f"-{HELD[what][1]}", str(process.pid)])
        moves.says(pod, f"holds {what}")
    status = moves.ended("m")
    assert (status["phase"], why(status)) == ("RolledBack", HELD[what][0]), status
    assert (
        ADVICE[what]
        in {item["type"]: item for item in status["conditions"]}["Committed"]["message"]
    )
    kept = moves.pod("w")["metadata"]
    assert (kept["uid"], kept["labels"]) == (uid, pod["metadata"]["labels"])
    (again,) = processes(moves.cluster, node, uid, "holder")
    assert (again.pid, again.frozen) == (process.pid, False)
    migration = moves.get("migration", "m")
    assert {each: left_over(moves.cluster, each, migration, uid) for each in OTHER} == {
        each: [] for each in OTHER
    }


def test_a_program_that_keeps_a_file_of_a_config_map_open_is_refused(
    moves: Moves, odd: str
) -> None:
    moves.kubectl("create", "configmap", "config", "--from-literal=setting=1")
    mount = [{"name": "config", "mountPath": "/config"}]
    container = {**holder(odd, "/config/setting"), "volumeMounts": mount}
    volumes = [{"name": "config", "configMap": {"name": "config"}}]
    moves.start("Deployment", "w", containers=[container], volumes=volumes)
    moves.migrate("Deployment", "w", "m")
    reason, message = refusal(moves.get("migration", "m"))
    assert reason == "UnsupportedResource", message
    assert "/setting" in message
    assert "close it" in message
