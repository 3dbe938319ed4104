"""What `podferry migrate` prints where standard output is not a terminal, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import threading

from tests.unit.cli.conftest import MIGRATIONS, Cluster, moved, running

MOVE = ("migrate", "deployment/web", "--to", "node-b")


def test_a_success_is_one_line_per_phase_then_measured_beside_predicted(cluster: Cluster) -> None:
    said = {"type": "Progressing", "status": "True", "reason": "PreparingTarget"}
    cluster.statuses = [
        running("PreparingTarget", conditions=[{**said, "message": "waiting for the target"}]),
        running("PreparingTarget", conditions=[{**said, "message": "still waiting"}]),
        running("Freezing"),
        moved(),
    ]
    done = cluster.run(*MOVE)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"shop/deployment/web   \? -> node-b   web-\w{5}", lines[0])
    assert lines[1] == "strategy Auto · copy Auto · no freeze budget · deadline 5.0 min"
    phases = [re.match(r"\+ +\d+\.\d{3} s  (\w+)", line) for line in lines[2:6]]
    assert [match and match[1] for match in phases] == [
        "Pending", "PreparingTarget", "Freezing", "Succeeded",
    ]  # fmt: skip
    assert "waiting for the target" in lines[3]
    assert lines[6:] == [
        "Succeeded  deployment/web  node-a -> node-b",
        "  freeze      0.912 s        predicted 0.900 s, 95 % below 1.300 s",
        "  total       4.210 s        predicted 4.000 s",
        "  moved       258.0 MiB      predicted 256.0 MiB",
        "  prediction  prior",
        "  prepare     1.500 s",
        "  dump        0.550 s",
        "  restore     0.300 s",
        "  connections 3 closed",
        "  pod         web-1 -> web-2",
    ]


def test_a_roll_back_says_why_and_ends_with_1(cluster: Cluster) -> None:
    cluster.statuses = [
        running(
            "RolledBack",
            decision="RolledBack",
            decisionReason="RehearsalFailed",
            decisionMessage="criu: no space left on node-b; free 300 MiB",
        )
    ]
    done = cluster.run(*MOVE)
    assert done.returncode == 1
    reason = "RehearsalFailed: criu: no space left on node-b; free 300 MiB"
    assert f"  reason      {reason}" in done.stdout.splitlines()


def test_a_refusal_shows_the_reason_of_the_condition(cluster: Cluster) -> None:
    refused = {
        "type": "Accepted",
        "status": "False",
        "reason": "TargetIsSource",
        "message": "web runs on node-b already; name another node",
    }
    cluster.statuses = [{"phase": "Failed", "conditions": [refused]}]
    done = cluster.run(*MOVE)
    assert done.returncode == 1
    assert "TargetIsSource: web runs on node-b already; name another node" in done.stdout


def test_the_request_is_sent_as_it_was_typed(cluster: Cluster) -> None:
    done = cluster.run(
        "migrate", "sts/db", "--to", "node-b", "--copy", "postcopy", "--max-freeze", "500ms",
        "--deadline", "1m30s", "--freeze-first", "--no-wait",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (made,) = cluster.server.objects(MIGRATIONS)
    assert made["spec"] == {
        "workloadRef": {"kind": "StatefulSet", "name": "db"},
        "strategy": "Auto",
        "copy": "PostCopy",
        "targetNode": "node-b",
        "maxFreezeSeconds": 0.5,
        "freezeFirst": True,
        "deadlineSeconds": 90,
    }
    name = made["metadata"]["name"]
    assert done.stdout == f"migration {name} created; podferry describe {name}\n"


def test_json_is_the_object_as_stored_and_the_story_goes_to_standard_error(
    cluster: Cluster,
) -> None:
    cluster.statuses = [moved()]
    done = cluster.run(*MOVE, "-o", "json")
    assert done.returncode == 0
    (stored,) = cluster.server.objects(MIGRATIONS)
    assert json.loads(done.stdout) == stored
    assert "Succeeded" in done.stderr


def test_an_interruption_leaves_the_migration_going_and_says_so(cluster: Cluster) -> None:
    followed = threading.Event()
    cluster.on_watch = followed.set
    process = cluster.start(*MOVE, "-n", "shop")
    assert followed.wait(30)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    (made,) = cluster.server.objects(MIGRATIONS)
    name = made["metadata"]["name"]
    assert not made["spec"].get("cancel")
    assert f"The migration {name} goes on." in err
    assert f"podferry describe {name} -n shop" in err
    assert f"podferry cancel {name} -n shop" in err
    assert "Traceback" not in err


def test_a_broken_watch_is_taken_up_again(cluster: Cluster) -> None:
    cluster.on_watch = cluster.server.compact
    cluster.statuses = [running("Freezing"), moved()]
    assert cluster.run(*MOVE).returncode == 0


def test_a_migration_that_is_deleted_while_followed_is_an_error(cluster: Cluster) -> None:
    def vanish() -> None:
        (made,) = cluster.server.objects(MIGRATIONS)
        cluster.server.remove(f"{MIGRATIONS}/{made['metadata']['name']}")

    cluster.on_watch = vanish
    done = cluster.run(*MOVE)
    assert done.returncode == 1
    assert "was deleted while it was followed" in done.stderr
