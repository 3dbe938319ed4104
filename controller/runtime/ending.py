"""The orderly end of a replica: no new freeze, the frozen ones first, then the Lease, then serving.

Owns the order and its limits. Whatever is cut off by a limit is what a killed controller leaves:
the next leader goes on. Decides nothing about a Migration.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import structlog

from podferry.api.errors import PodferryError
from podferry.api.migration import Migration
from podferry.controller.core import upgrades

Object = dict[str, Any]

STEP_DOWN_SECONDS = 60.0
"""How long a leader that is told to end goes on with what is frozen [s]."""
LINGER_SECONDS = 5.0
"""How long the webhook still answers after the signal: kubelet, the endpoints' controller and
kube-proxy need that to send the API server elsewhere [s]."""
SETTLE_SECONDS = 0.5
"""What was ordered before the signal is in the store by then [s]."""
_POLL_SECONDS = 0.1

_log = structlog.get_logger(__name__)


class Ending:
    """Whether this replica was told to end, and what it sees through before. One event loop."""

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self._frozen: Callable[[], int] | None = None
        self.serving = False
        """Whether there is anything to end in order."""

    @property
    def told(self) -> bool:
        """Whether this replica ends; nothing is frozen any more then."""
        return self._told.is_set()

    def tell(self) -> None:
        """Begin the end."""
        self._told.set()

    def lead(self, frozen: Callable[[], int]) -> None:
        """Say that this replica leads; `frozen` counts the workloads that wait for its orders."""
        self._frozen = frozen

    async def end_in_order(self, campaign: asyncio.Future[None]) -> None:
        """Return when the campaign for the Lease ended by itself, or after an orderly end.

        Raises: what ended the campaign, unless it was told to end.
        """
        told = asyncio.create_task(self._wait_told())
        try:
            await asyncio.wait([told, campaign], return_when=asyncio.FIRST_COMPLETED)
            if campaign.done():
                campaign.result()
                return
            began = asyncio.get_running_loop().time()
            if self._frozen is not None:
                await self._calm(campaign, self._frozen)
            await _cancelled(campaign)
            _log.info("stepped down", seconds=_since(began))
            await asyncio.sleep(max(0.0, LINGER_SECONDS - _since(began)))
        finally:
            told.cancel()
            await _cancelled(campaign)

    async def _wait_told(self) -> None:
        await self._told.wait()

    async def _calm(self, campaign: asyncio.Future[None], frozen: Callable[[], int]) -> None:
        """Wait until nothing is frozen, the campaign is lost, or it took too long."""
        began = asyncio.get_running_loop().time()
        await asyncio.wait([campaign], timeout=SETTLE_SECONDS)
        while not campaign.done() and (left := frozen()):
            if _since(began) > STEP_DOWN_SECONDS:
                _log.warning("stepping down in the middle of a move", frozen=left)
                return
            await asyncio.wait([campaign], timeout=_POLL_SECONDS)


def frozen(raw: Iterable[Object], parse: Callable[[Object], Migration]) -> int:
    """Count the Migrations in the middle of a freeze; one that cannot be read is in none."""
    count = 0
    for one in raw:
        with suppress(PodferryError):
            count += upgrades.in_the_middle(parse(one))
    return count


async def _cancelled(campaign: asyncio.Future[None]) -> None:
    """End it; the leader gives its Lease back meanwhile."""
    campaign.cancel()
    await asyncio.wait([campaign])


def _since(began: float) -> float:
    return round(asyncio.get_running_loop().time() - began, 1)
