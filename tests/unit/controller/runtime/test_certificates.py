"""Certificates as files: private, replaced when renewed, published to the webhook."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from podferry.api.clock import FakeClock
from podferry.controller.runtime import pki
from podferry.controller.runtime.certificates import CertificateFiles
from podferry.controller.runtime.metrics import Metrics
from podferry.kube import paths
from tests.fakes.apiserver import FakeApiServer


@dataclass
class World:
    server: FakeApiServer
    clock: FakeClock
    files: CertificateFiles
    metrics: Metrics


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with FakeApiServer() as server:
        client, clock, metrics = await server.client(), FakeClock(), Metrics()
        keeper = pki.CertificateKeeper(client, "podferry-system", service="hook", clock=clock)
        files = CertificateFiles(keeper, tmp_path / "tls", metrics, configuration="podferry",
                                 evictions="podferry-evictions")  # fmt: skip
        yield World(server, clock, files, metrics)
        await client.close()


async def test_the_files_are_a_usable_pair_that_only_we_can_read(world: World) -> None:
    await world.files.first()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(world.files.ca))
    context.load_cert_chain(world.files.webhook_cert, world.files.webhook_key)
    context.load_cert_chain(world.files.controller_cert, world.files.controller_key)
    for path in (world.files.webhook_key, world.files.controller_key):
        assert path.stat().st_mode & 0o777 == 0o600


async def test_files_are_written_again_only_when_a_certificate_is_new(world: World) -> None:
    await world.files.first()
    before = world.files.controller_cert.read_bytes()
    assert not await world.files.refresh()
    world.clock.advance(pki.LEAF_LIFE.total_seconds() * 0.7)
    assert await world.files.refresh()
    assert world.files.controller_cert.read_bytes() != before


async def test_when_each_certificate_expires_is_a_metric(world: World) -> None:
    await world.files.first()
    text = world.metrics.render().decode()
    for name in (pki.CA_SECRET, pki.AGENT_SECRET, pki.CONTROLLER_SECRET, pki.WEBHOOK_SECRET):
        assert f'podferry_certificate_expiry_timestamp_seconds{{name="{name}"}}' in text


async def test_the_authority_is_published_to_the_webhook_of_rescue_policies_too(
    world: World,
) -> None:
    validating = paths.webhookconfigurations("podferry", kind="validating")
    for path in (paths.webhookconfigurations("podferry"), validating):
        service = {"name": "hook", "path": "/validate-rescuepolicies"}
        hook = {"name": "x.podferry.dev", "clientConfig": {"service": service}}
        world.server.seed(path, {"metadata": {"name": "podferry"}, "webhooks": [hook]})
    keeping = asyncio.create_task(world.files.keep(on_renewal=lambda: None))
    try:
        async with asyncio.timeout(10):
            while "caBundle" not in config(world, validating):
                await asyncio.sleep(0.01)
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
    assert config(world, validating)["service"]["path"] == "/validate-rescuepolicies"
    ca = base64.b64decode(config(world, validating)["caBundle"])
    assert ca == world.files.ca.read_bytes()


def config(world: World, path: str) -> dict[str, Any]:
    found = world.server.object(path)
    assert found is not None
    client: dict[str, Any] = found["webhooks"][0]["clientConfig"]
    return client
