"""Reads the logs of controller and agents for a support bundle: the end of each, bounded.

Owns which logs and how much of each. Never reads the log of a workload.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from podferry.cli.bundle_contents import KIB, Contents
from podferry.kube import paths
from podferry.kube.client import ApiClient
from podferry.kube.wording import Params

Object = dict[str, Any]
Ask = Callable[
    [str, Callable[[], Awaitable[tuple[bytes, int]]]], Awaitable[tuple[bytes, int] | None]
]
LOG_BYTES = 2 << 20
"""Kept of each log, its end [bytes]."""
LOG_LINES = 20_000
"""Asked for of each log, its last: the API server can cut an end by lines only."""
LOG_SECONDS = 15.0
"""For one log; a node that does not answer must not hold up the rest [s]."""


@dataclass(frozen=True, slots=True)
class Log:
    """One log of one container."""

    namespace: str
    pod: str
    container: str
    previous: bool

    @property
    def file(self) -> str:
        """Name in the bundle."""
        return f"logs/{self.pod}.{self.container}{'.previous' if self.previous else ''}.log"


def logs_of(pod: Object) -> Iterator[Log]:
    """Logs that a pod of ours has: of every container, and of the one before where there was."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    told = {
        one.get("name"): one
        for kind in ("initContainerStatuses", "containerStatuses")
        for one in status.get(kind) or []
    }
    for kind in ("initContainers", "containers"):
        for container in (pod.get("spec") or {}).get(kind) or []:
            name = str(container["name"])
            where = (str(metadata["namespace"]), str(metadata["name"]), name)
            yield Log(*where, previous=False)
            if ((told.get(name) or {}).get("lastState") or {}).get("terminated"):
                yield Log(*where, previous=True)


async def read(client: ApiClient, contents: Contents, log: Log, ask: Ask) -> None:
    """Add one log; what is cut or cannot be read is listed."""

    async def job() -> tuple[bytes, int]:
        params: Params = {
            "container": log.container,
            "tailLines": LOG_LINES,
            "previous": log.previous,
        }
        path = paths.pods(log.namespace, log.pod, "log")
        return await client.tail(
            path, keep_bytes=LOG_BYTES, params=params, timeout_seconds=LOG_SECONDS
        )

    if (found := await ask(log.file, job)) is None:
        return
    text, how = end_of(*found)
    if not contents.add(log.file, text):
        contents.cut[log.file] = f"left out whole ({len(text) // KIB} KiB): {contents.full()}"
        return
    contents.counts["logs"] = contents.counts.get("logs", 0) + 1
    if how:
        contents.cut[log.file] = how


def end_of(kept: bytes, total: int) -> tuple[bytes, str]:
    """Whole lines of what was kept, and in words what was cut, "" for nothing. Pure.

    Args:
        kept: the last bytes of a log.
        total: length of all that the API server sent [bytes].
    """
    if total > len(kept):
        whole = kept.partition(b"\n")[2] or kept
        return whole, f"the last {len(whole) // KIB} KiB of {total // KIB} KiB that were read"
    if kept.count(b"\n") >= LOG_LINES:
        return kept, f"the last {LOG_LINES} lines; there may be more"
    return kept, ""
