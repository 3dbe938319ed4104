"""A postStart hook runs once in the life of a container, a preStop hook not at all for a move."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.lab.moves import Moves
from tests.lab.on_node import processes

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

STARTS = "/data/starts"
HOOK = {"exec": {"command": ["/step", STARTS, "started"]}}
VOLUMES = [{"name": "data", "emptyDir": {}}]


def container(image: str, **lifecycle: Any) -> dict[str, Any]:
    return {
        "name": "app",
        "image": image,
        "imagePullPolicy": "Never",
        "env": [{"name": "MB", "value": "32"}],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "lifecycle": lifecycle,
    }


def starts(moves: Moves, pod: dict[str, Any]) -> list[str]:
    """What the hook wrote, as the workload sees it."""
    node = pod["spec"]["nodeName"]
    (process,) = processes(moves.cluster, node, pod["metadata"]["uid"])
    return moves.cluster.exec(node, ["cat", f"/proc/{process.pid}/root{STARTS}"]).splitlines()


def skipped(moves: Moves, node: str, migration: str) -> str:
    """What the wrapper of a node noted of the hooks that it answered."""
    uid = moves.get("migration", migration)["metadata"]["uid"]
    script = f"cat /var/lib/podferry/attempts/{uid}.1/target/hook-*.json"
    return moves.cluster.exec(node, ["sh", "-c", script])


def identity(pod: dict[str, Any]) -> str:
    return str(pod["status"]["containerStatuses"][0]["containerID"]).rpartition("/")[2]


def restart_in_place(moves: Moves, pod: dict[str, Any]) -> None:
    """End the workload's process from the node, and wait until kubelet started it anew."""
    node, name = pod["spec"]["nodeName"], pod["metadata"]["name"]
    (process,) = processes(moves.cluster, node, pod["metadata"]["uid"])
    moves.cluster.exec(node, ["kill", "-9", str(process.pid)])
    moves.kubectl("wait", f"pod/{name}", "--timeout=90s",
                  "--for=jsonpath={.status.containerStatuses[0].restartCount}=1")  # fmt: skip
    moves.kubectl("wait", f"pod/{name}", "--timeout=60s", "--for=condition=Ready")


def ended_by_kubelet(moves: Moves, pod: dict[str, Any]) -> None:
    """Return once kubelet has nothing of a pod left."""
    script = f"! test -e /var/lib/kubelet/pods/{pod['metadata']['uid']} && echo gone"
    deadline = time.monotonic() + 60
    while not moves.cluster.exec(pod["spec"]["nodeName"], ["sh", "-c", script], check=False):
        assert time.monotonic() < deadline, "kubelet still ends the source's pod"
        time.sleep(0.2)


def told_of_hooks(moves: Moves) -> set[str]:
    return {item["reason"] for item in moves.get("events")["items"] if "Hook" in item["reason"]}


@pytest.mark.parametrize(
    ("kind", "copy", "told"),
    [("Deployment", "StopAndCopy", set()), ("StatefulSet", "PostCopy", {"FailedPreStopHook"})],
)
def test_a_post_start_hook_ran_once_after_a_move_and_again_after_a_restart(
    moves: Moves, odd: str, kind: str, copy: str, told: set[str]
) -> None:
    # Of a Deployment the preStop hook fails if it is run at all; of a kept name kubelet tries it on
    # the frozen source, where it would not fail but for runc, which refuses it.
    pre_stop = ["/step", "/data/x" if told else "/nowhere/x", "preStop"]
    app = container(odd, postStart=HOOK, preStop={"exec": {"command": pre_stop}})
    source = moves.start(kind, "w", containers=[app], volumes=VOLUMES)
    assert starts(moves, source) == ["started"]
    before = moves.answer(source)
    status = moves.migrate(kind, "w", "m", copy=copy)
    assert status["phase"] == "Succeeded", status
    moves.gone(source)
    target = moves.pod("w")
    after = moves.answer(target)
    assert (after.boot, after.number) == (before.boot, before.number + 1)
    assert starts(moves, target) == ["started"]
    assert identity(target) in skipped(moves, target["spec"]["nodeName"], "m")
    ended_by_kubelet(moves, source)
    assert told_of_hooks(moves) == told
    restart_in_place(moves, target)
    assert starts(moves, moves.pod("w")) == ["started", "started"]


def test_hooks_that_only_sleep_delay_neither_the_move_nor_the_end_of_its_source(
    moves: Moves,
) -> None:
    app = container("registry.lab/app:1", postStart={"sleep": {"seconds": 2}},
                    preStop={"sleep": {"seconds": 100}})  # fmt: skip
    source = moves.start("Pod", "w", containers=[app], volumes=VOLUMES,
                         terminationGracePeriodSeconds=120)  # fmt: skip
    before = moves.answer(source)
    assert moves.migrate("Pod", "w", "m")["phase"] == "Succeeded"
    ended_by_kubelet(moves, source)
    # kubelet sleeps through the postStart hook again, and tells nothing of the pod until then.
    moves.kubectl("wait", "pod/w", "--for=condition=Ready", "--timeout=60s")
    assert moves.answer(moves.pod("w")).boot == before.boot
    moves.kubectl("delete", "pod", "w", "--force", "--grace-period=0")
