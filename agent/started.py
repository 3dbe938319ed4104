"""Waits for containerd and kubelet to accept a restored container as started. Reads only."""

from __future__ import annotations

import asyncio
import os
import time

import structlog

from podferry.agent import operations
from podferry.agent.claims import Claim
from podferry.agent.errors import AgentError
from podferry.agent.node import Node
from podferry.agent.ops import signals
from podferry.wire import layout

log = structlog.get_logger("podferry.agent.started")
START_SECONDS = 5.0
_POLL = 0.005


async def wait_started(node: Node, claim: Claim) -> None:
    """See containerd start it, and kubelet get through its postStart hook.

    Both take a marker of the wrapper's away. A containerd that was killed before that deletes the
    container when it is back, and a kubelet whose hook failed kills it, tasks and all; by then the
    workload could be running in it. Raises AgentError if it was not started, is dead, or was told
    to end.
    """
    identity = claim.container_id
    deadline = time.monotonic() + START_SECONDS
    if not await _goes(node, claim, layout.restored_file(identity, run=node.run), deadline):
        raise _not_started(identity)
    if not await _goes(node, claim, layout.hook_file(identity, run=node.run), deadline):
        # One that was killed between start and hook never asks for the hook.
        log.warning("kubelet did not ask for the postStart hook", container=identity)


async def _goes(node: Node, claim: Claim, marker: str, deadline: float) -> bool:
    """Whether this marker is gone before the deadline; raises AgentError if it is to end."""
    group = operations.cgroup_of(node.host, claim.container_id)
    while _is_there(node, marker):
        pids = group.pids()
        if not pids or signals.told_to_end(pids):
            raise _not_started(claim.container_id)
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL)
    return True


def _is_there(node: Node, marker: str) -> bool:
    return os.path.exists(node.local(marker))


def _not_started(identity: str) -> AgentError:
    return AgentError(
        "NotStarted",
        f"container {identity[:12]} was restored, but then not started, or told to end; was"
        " containerd restarted? See its log and kubelet's on this node",
    )
