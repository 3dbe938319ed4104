"""The Secrets' certificates as files of this process, kept fresh. Makes none: see `pki`.

The files live in memory (an emptyDir of medium Memory): the TLS library wants paths.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from podferry.controller.runtime import pki
from podferry.controller.runtime.metrics import Metrics
from podferry.kube import errors

LOOK_SECONDS = 60.0
"""How often the Secrets are looked at [s]."""
RETRY_SECONDS = 2.0

_log = structlog.get_logger(__name__)


class CertificateFiles:
    """Writes what the keeper gives into `folder`; see `first` and `keep`."""

    def __init__(
        self,
        keeper: pki.CertificateKeeper,
        folder: Path,
        metrics: Metrics,
        *,
        configuration: str,
        evictions: str,
    ) -> None:
        self._keeper, self._folder, self._metrics = keeper, folder, metrics
        self._configuration, self._evictions = configuration, evictions
        self._seen: dict[str, pki.Bundle] = {}
        self.ca = folder / "ca.crt"
        self.controller_cert = folder / "controller.crt"
        self.controller_key = folder / "controller.key"
        self.webhook_cert = folder / "webhook.crt"
        self.webhook_key = folder / "webhook.key"

    @property
    def eviction_call(self) -> str:
        """The path at which the API server asks about evictions; known after `first`.

        Callers of a webhook are not authenticated and this one makes Migrations, so the path is a
        secret of podferry and of who may read the webhook configuration.
        """
        return f"/evict-pods/{self._keeper.token}"

    async def first(self) -> None:
        """Return when all files are there; waits for the API server as long as it takes."""
        while True:
            try:
                await self.refresh()
                return
            except errors.ApiError as error:
                _log.warning("certificates not ready", why=error.message)
                await asyncio.sleep(RETRY_SECONDS)

    async def keep(self, *, on_renewal: Callable[[], None]) -> None:
        """Look again and again; tell when our client certificate is new."""
        published = False
        while True:
            try:
                if await self.refresh():
                    on_renewal()
                published = await self._publish()
            except errors.ApiError as error:
                _log.warning("certificates not refreshed", why=error.message)
            await asyncio.sleep(LOOK_SECONDS if published else RETRY_SECONDS)

    async def refresh(self) -> bool:
        """Read (and renew) the Secrets; True if a file changed. Raises ApiError."""
        bundles = await self._keeper.ensure()
        if bundles == self._seen:
            return False
        controller, webhook = bundles[pki.CONTROLLER_SECRET], bundles[pki.WEBHOOK_SECRET]
        await asyncio.to_thread(self._write_all, controller, webhook)
        for secret, bundle in bundles.items():
            expiry = pki.expires_at(bundle.cert).timestamp()
            self._metrics.certificate_expiry.labels(secret).set(expiry)
        expiry = pki.expires_at(controller.ca).timestamp()
        self._metrics.certificate_expiry.labels(pki.CA_SECRET).set(expiry)
        self._seen = bundles
        return True

    async def _publish(self) -> bool:
        """Write the authority into the webhook configuration; False if it does not exist yet."""
        ca = self._seen[pki.WEBHOOK_SECRET].ca
        try:
            if await self._keeper.publish(self._configuration, ca):
                _log.info("authority published", configuration=self._configuration)
        except errors.NotFound:
            _log.warning(
                "no webhook configuration to write the authority into: pods that opt in do not "
                "get their RuntimeClass; apply cluster-setup",
                configuration=self._configuration,
            )
            return False
        await self._publish_validating(self._configuration, ca)
        await self._publish_validating(self._evictions, ca, call=self.eviction_call)
        return True

    async def _publish_validating(self, configuration: str, ca: bytes, call: str = "") -> None:
        """The same for RescuePolicies and evictions; who has taken one away wants none of it."""
        with suppress(errors.NotFound):
            if await self._keeper.publish(configuration, ca, kind="validating", call=call):
                _log.info("authority published", configuration=configuration, kind="validating")

    def _write_all(self, controller: pki.Bundle, webhook: pki.Bundle) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        _write(self.ca, controller.ca)
        _write(self.controller_key, controller.key)
        _write(self.controller_cert, controller.cert)
        _write(self.webhook_key, webhook.key)
        _write(self.webhook_cert, webhook.cert)


def _write(path: Path, data: bytes) -> None:
    """Replace a file in one step, readable by us only."""
    fresh = path.with_name(path.name + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    fresh.replace(path)
