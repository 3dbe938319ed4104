"""Certificates make themselves, whichever replica is first."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest
from cryptography import x509

from podferry.api.clock import FakeClock
from podferry.controller.runtime import pki
from podferry.kube import paths
from podferry.kube.client import ApiClient
from tests.fakes.apiserver import FakeApiServer

NAMESPACE = "podferry-system"


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer() as server:
        yield server


@pytest.fixture
async def client(server: FakeApiServer) -> AsyncIterator[ApiClient]:
    client = await server.client()
    yield client
    await client.close()


def keeper(client: ApiClient, clock: FakeClock) -> pki.CertificateKeeper:
    return pki.CertificateKeeper(client, NAMESPACE, service="podferry-webhook", clock=clock)


async def test_replicas_that_start_together_end_with_the_same_certificates(
    client: ApiClient,
) -> None:
    clock = FakeClock()
    found = await asyncio.gather(*(keeper(client, clock).ensure() for _ in range(4)))
    assert all(bundles == found[0] for bundles in found)


async def test_every_leaf_is_signed_by_the_authority_and_names_its_role(client: ApiClient) -> None:
    bundles = await keeper(client, FakeClock()).ensure()
    names = {}
    for secret, bundle in bundles.items():
        cert = x509.load_pem_x509_certificate(bundle.cert)
        cert.verify_directly_issued_by(x509.load_pem_x509_certificate(bundle.ca))
        found = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names[secret] = found.value.get_values_for_type(x509.DNSName)[0]
    assert names == {
        "podferry-agent-tls": "agent.podferry.dev",
        "podferry-controller-tls": "controller.podferry.dev",
        "podferry-webhook-tls": "podferry-webhook.podferry-system.svc",
    }


async def test_the_authority_s_key_is_in_its_own_secret_only(
    server: FakeApiServer, client: ApiClient
) -> None:
    await keeper(client, FakeClock()).ensure()
    for secret in (pki.AGENT_SECRET, pki.CONTROLLER_SECRET, pki.WEBHOOK_SECRET):
        found = server.object(paths.secrets(NAMESPACE, secret))
        assert found is not None
        assert set(found["data"]) == {"ca.crt", "tls.crt", "tls.key"}


async def test_a_leaf_is_renewed_at_two_thirds_of_its_life_and_not_before(
    client: ApiClient,
) -> None:
    clock = FakeClock()
    first = await keeper(client, clock).ensure()
    clock.advance(pki.LEAF_LIFE.total_seconds() * 0.66)
    assert await keeper(client, clock).ensure() == first
    clock.advance(pki.LEAF_LIFE.total_seconds() * 0.01)
    renewed = await keeper(client, clock).ensure()
    for secret, bundle in renewed.items():
        assert bundle.cert != first[secret].cert
        assert bundle.ca == first[secret].ca


async def test_a_spoiled_secret_is_made_anew(server: FakeApiServer, client: ApiClient) -> None:
    clock = FakeClock()
    first = await keeper(client, clock).ensure()
    path = paths.secrets(NAMESPACE, pki.AGENT_SECRET)
    server.patch(path, {"data": {"tls.crt": base64.b64encode(b"nonsense").decode()}})
    again = (await keeper(client, clock).ensure())[pki.AGENT_SECRET]
    assert b"BEGIN CERTIFICATE" in again.cert
    assert again.ca == first[pki.AGENT_SECRET].ca


async def test_the_authority_is_written_into_every_webhook_once(
    server: FakeApiServer, client: ApiClient
) -> None:
    hooks = [
        {"name": name, "clientConfig": {"service": {"name": "podferry-webhook"}}}
        for name in ("pods.podferry.dev", "annotations.podferry.dev")
    ]
    path = paths.webhookconfigurations("podferry")
    server.seed(path, {"metadata": {"name": "podferry"}, "webhooks": hooks})
    ours = keeper(client, FakeClock())
    assert await ours.publish("podferry", b"PEM")
    assert not await ours.publish("podferry", b"PEM")
    found = server.object(path)
    assert found is not None
    wanted = base64.b64encode(b"PEM").decode()
    assert [hook["clientConfig"]["caBundle"] for hook in found["webhooks"]] == [wanted, wanted]
    assert found["webhooks"][0]["clientConfig"]["service"] == {"name": "podferry-webhook"}


async def test_the_path_of_the_eviction_webhook_is_written_beside_the_authority(
    server: FakeApiServer, client: ApiClient
) -> None:
    path = paths.webhookconfigurations("podferry-evictions", kind="validating")
    hook = {"name": "evictions.podferry.dev", "clientConfig": {"service": {"name": "hook"}}}
    server.seed(path, {"metadata": {"name": "podferry-evictions"}, "webhooks": [hook]})
    ours = keeper(client, FakeClock())
    for call, new in (("/evict-pods/one", True), ("/evict-pods/one", False), ("/x/two", True)):
        wrote = await ours.publish("podferry-evictions", b"PEM", kind="validating", call=call)
        assert wrote is new
        found = server.object(path)
        assert found is not None
        assert found["webhooks"][0]["clientConfig"]["service"]["path"] == call


async def test_every_replica_knows_the_same_token_and_another_authority_has_another(
    client: ApiClient,
) -> None:
    ours, theirs = keeper(client, FakeClock()), keeper(client, FakeClock())
    await ours.ensure()
    await theirs.ensure()
    assert ours.token == theirs.token
    assert len(ours.token) == 32
    other = pki.make_authority(FakeClock().now())
    assert pki.token(other, "evictions") != ours.token
