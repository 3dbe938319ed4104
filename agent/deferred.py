"""Containers of a target's pod that start anew: created, and begun only once the workload runs.

The wrapper has runc create such a container and swallows its `start`: kubelet sees it run and goes
on to the next one, while no instruction of its program was executed. Owns the late `start`, after
RESUMED names its pod. Never starts one of an attempt that was given up.
"""

from __future__ import annotations

import contextlib
import os

import structlog

from podferry.agent import containers, files
from podferry.agent.node import Node
from podferry.wire import layout

log = structlog.get_logger("podferry.agent.deferred")


def start_due(node: Node) -> list[str]:
    """Start those whose workload was resumed; forget those that are gone. Safe to repeat.

    Returns the IDs that were started.
    """
    folder = node.local(f"{node.run}/{layout.WAITING}")
    started = []
    with contextlib.suppress(FileNotFoundError):
        for identity in sorted(os.listdir(folder)):
            place = f"{folder}/{identity}"
            mark = files.read_json(place) or {}
            if not _is_due(node, str(mark.get("attempt")), str(mark.get("podUID"))):
                continue
            if _start(node, identity):
                started.append(identity)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(place)
    return started


def _is_due(node: Node, attempt: str, pod_uid: str) -> bool:
    target = node.local(f"{node.state}/attempts/{attempt}/target")
    if os.path.exists(f"{target}/ABORTED"):
        return False
    resumed = files.read_json(f"{target}/RESUMED")
    return resumed is not None and resumed.get("podUID") == pod_uid


def _start(node: Node, identity: str) -> bool:
    """Whether its marker may go: it was started, is running by now, or is gone."""
    done = node.host.run(["runc", "--root", containers.RUNC_ROOT, "start", identity])
    if done.returncode == 0:
        log.info("started beside the workload", container=identity)
        return True
    state = containers.state_of(node.host, identity)
    if state is None or state.get("status") != "created":
        return True
    log.warning("not started, tried again", container=identity, error=done.stderr.strip())
    return False
