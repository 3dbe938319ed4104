"""Removes what ended attempts left on the node. Never touches an attempt that is undecided."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable

import structlog

from podferry.agent import metrics
from podferry.agent.engine import Engine
from podferry.agent.errors import AgentError
from podferry.agent.node import Node
from podferry.agent.source import Source
from podferry.agent.store import Store
from podferry.agent.target import Target
from podferry.wire import layout
from podferry.wire.stages import Role, SourceStage

log = structlog.get_logger("podferry.agent.janitor")
KEEP_SECONDS = 600.0
KEEP_SEEN_SECONDS = 2 * 86400.0
"""Twice the longest deadline: no order of such a migration can come any more [s]."""
BUNDLES = "/run/containerd/io.containerd.runtime.v2.task/k8s.io"
"""Where containerd keeps a folder for each container that there is."""
_CONFIG = ".conf"


async def run(engine: Engine, store: Store, node: Node, *, every_seconds: float = 60.0) -> None:
    """Sweep at start and for ever."""
    while True:
        try:
            for name in await asyncio.to_thread(_sweep, store, node):
                log.info("removed an ended attempt", attempt=name)
            engine.forget()
        except OSError as error:
            log.warning("sweep failed", error=str(error))
        await asyncio.sleep(every_seconds)


async def tend(
    engine: Engine, source: Source, target: Target, *, every_seconds: float = 0.25
) -> None:
    """Look after sources that a dead-man thawed and targets that lost their pages, for ever."""
    while True:
        sides = [side for side in engine.sides() if side.order.role is Role.SOURCE]
        held = (
            SourceStage.FROZEN.value,
            SourceStage.SEALED.value,
            SourceStage.REDIRECTED.value,
        )
        metrics.frozen.set(sum(side.state.observed.stage in held for side in sides))
        try:
            await source.tend(sides)
            await target.tend([side for side in engine.sides() if side.order.role is Role.TARGET])
        except (AgentError, OSError) as error:
            log.warning("tending failed", error=str(error))
        await asyncio.sleep(every_seconds)


def _sweep(store: Store, node: Node) -> list[str]:
    def pod_exists(uid: str) -> bool:
        pods = node.local("/var/lib/kubelet/pods")
        return not os.path.isdir(pods) or os.path.isdir(f"{pods}/{uid}")

    removed = store.remove_ended(older_than_seconds=KEEP_SECONDS)
    _sweep_blocks(node, pod_exists)
    _sweep_configs(node, before=time.time() - KEEP_SECONDS)
    for kind in (layout.DEFERRED, layout.WAITING):
        _sweep_deferred(node, kind, before=time.time() - KEEP_SECONDS)
    store.remove_seen(older_than_seconds=KEEP_SEEN_SECONDS)
    return removed + store.remove_markers(pod_exists)


def _sweep_blocks(node: Node, pod_exists: Callable[[str], bool]) -> None:
    """A pod whose folder is gone is never started again, so nothing needs to forbid it."""
    blocked = node.local(f"{node.state}/blocked")
    if os.path.isdir(blocked):
        for uid in os.listdir(blocked):
            if not pod_exists(uid):
                os.unlink(f"{blocked}/{uid}")


def _sweep_configs(node: Node, *, before: float) -> None:
    """criu's options of a container that is gone; one that was restored keeps its own for ever.

    A young file is left alone: its container may be about to be created.
    """
    configs, bundles = node.local(f"{node.run}/criu"), node.local(BUNDLES)
    if not os.path.isdir(configs) or not os.path.isdir(bundles):
        return
    for name in os.listdir(configs):
        path = f"{configs}/{name}"
        gone = name.endswith(_CONFIG) and not os.path.isdir(
            f"{bundles}/{name.removesuffix(_CONFIG)}"
        )
        if gone and os.stat(path).st_mtime < before:
            os.unlink(path)


def _sweep_deferred(node: Node, kind: str, *, before: float) -> None:
    """Markers of containers that went without a `runc delete`."""
    folder, bundles = node.local(f"{node.run}/{kind}"), node.local(BUNDLES)
    if not os.path.isdir(folder) or not os.path.isdir(bundles):
        return
    for name in os.listdir(folder):
        path = f"{folder}/{name}"
        with contextlib.suppress(FileNotFoundError):
            if not os.path.isdir(f"{bundles}/{name}") and os.stat(path).st_mtime < before:
                os.unlink(path)
