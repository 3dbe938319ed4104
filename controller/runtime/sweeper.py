"""Gives pods back whose Migration was removed by force. Runs in the leader, rarely.

Owns the look at the API server itself (never the store alone) before anything is touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from podferry.api.errors import PodferryError
from podferry.controller.core import strays
from podferry.controller.runtime.executor import Executor, Subject
from podferry.kube import paths
from podferry.kube.client import ApiClient
from podferry.wire import names

EVERY_SECONDS = 30.0

_log = structlog.get_logger(__name__)


class Sweeper:
    """See the module.

    Args:
        client: for the list of Migrations that really exist.
        executor: does what `core.strays` says.
        pods: the pods that opted in, from the store.
    """

    def __init__(
        self, client: ApiClient, executor: Executor, pods: Callable[[], list[dict[str, Any]]]
    ) -> None:
        self._client, self._executor, self._pods = client, executor, pods

    async def run(self) -> None:
        """Sweep until cancelled; a failure is logged and tried again."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self.sweep()
            except PodferryError as error:
                _log.warning("stray pods were not given back", why=error.message)

    async def sweep(self) -> int:
        """Give every stray pod back; how many there were."""
        suspects = [pod for pod in self._pods() if _was_taken(pod)]
        if not suspects:
            return 0
        listed = await self._client.list(paths.migrations(None))
        uids = {item["metadata"]["uid"] for item in listed["items"]}
        found = strays.find(suspects, uids)
        for action in found:
            where = f"{action.namespace}/{action.pod}"
            _log.warning("pod given back: its Migration was removed by force", pod=where)
            subject = Subject(action.namespace, "", "", 0, "", ())
            try:
                await self._executor.run(subject, action)
            except PodferryError as error:  # one pod's faked labels must not stop the others
                _log.warning("stray pod was not given back", pod=where, why=error.message)
        return len(found)


def _was_taken(pod: dict[str, Any]) -> bool:
    return names.ANNOTATION_DETACHED in (pod["metadata"].get("annotations") or {})
