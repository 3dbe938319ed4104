"""The cluster's own certificates: one authority in a Secret, three leaf certificates.

Owns making, storing and renewing them. The first replica makes the authority (create-only: who
loses the race reads), so no one has to run a command first. The authority's key never leaves its
Secret and the controllers' memory. Leaves are renewed at two thirds of their life; the authority
lives ten years and is not renewed by itself: its expiry is a metric and a warning.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from podferry.api.clock import Clock
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.wire import names

CA_SECRET = "podferry-ca"  # noqa: S105 - the name of a Secret
AGENT_SECRET = "podferry-agent-tls"  # noqa: S105
CONTROLLER_SECRET = "podferry-controller-tls"  # noqa: S105
WEBHOOK_SECRET = "podferry-webhook-tls"  # noqa: S105
CA_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=365)
RENEW_AT = 2 / 3
"""Part of a certificate's life after which it is renewed."""
BACKDATE = timedelta(minutes=5)
"""Clocks of nodes differ; a certificate is valid from a little before it is made."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bundle:
    """PEM texts of one leaf certificate, its key, and the authority that signed it."""

    ca: bytes
    cert: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority: PEM certificate and PEM key."""

    cert: bytes
    key: bytes


def make_authority(now: datetime) -> Authority:
    """Return a new self-signed P-256 authority, valid for `CA_LIFE`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "podferry")])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    cert = (
        _builder(name, name, key.public_key(), now, CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(cert.public_bytes(serialization.Encoding.PEM), _pem_key(key))


def issue(authority: Authority, dns_names: tuple[str, ...], now: datetime) -> Bundle:
    """Return a new P-256 leaf for `dns_names`, good for servers and clients, for `LEAF_LIFE`."""
    ca_cert = x509.load_pem_x509_certificate(authority.cert)
    ca_key = serialization.load_pem_private_key(authority.key, password=None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    # A common name holds 64 characters at most; peers look at the alternative names only.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, dns_names[0][:64])])
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    cert = (
        _builder(subject, ca_cert.subject, key.public_key(), now, LEAF_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in dns_names]),
            critical=False,
        )
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(identifier, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = cert.public_bytes(serialization.Encoding.PEM)
    return Bundle(authority.cert, pem, _pem_key(key))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + life)
    )


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def needs_renewal(bundle: Bundle, dns_names: tuple[str, ...], now: datetime) -> str:
    """Return why this leaf must be made anew, "" if it need not."""
    try:
        cert = x509.load_pem_x509_certificate(bundle.cert)
        ca = x509.load_pem_x509_certificate(bundle.ca)
        cert.verify_directly_issued_by(ca)
        serialization.load_pem_private_key(bundle.key, password=None)
        extension = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except Exception as error:
        # Whatever is wrong with stored material (many classes), a new leaf is the cure.
        return f"it is not usable ({type(error).__name__}: {error})"
    if set(extension.value.get_values_for_type(x509.DNSName)) != set(dns_names):
        return "its names changed"
    begin, end = cert.not_valid_before_utc, cert.not_valid_after_utc
    if now >= begin + (end - begin) * RENEW_AT:
        return f"two thirds of its life are over (it expires at {end:%Y-%m-%d %H:%M} UTC)"
    return ""


def expires_at(pem: bytes) -> datetime:
    """Return when a PEM certificate expires."""
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc


def token(authority: Authority, purpose: str) -> str:
    """Return what follows from the authority's key and says nothing about it; 32 characters."""
    return hmac.new(authority.key, purpose.encode(), hashlib.sha256).hexdigest()[:32]


class CertificateKeeper:
    """Makes and renews podferry's Secrets.

    Args:
        client: the API server.
        namespace: where the Secrets live.
        service: name of the webhook's Service in that namespace.
        clock: wall time decides about renewal.
    """

    def __init__(self, client: ApiClient, namespace: str, *, service: str, clock: Clock) -> None:
        self._client, self._namespace, self._clock = client, namespace, clock
        self.token = ""
        """What only who may read the webhook configuration knows; "" before the first `ensure`."""
        host = f"{service}.{namespace}.svc"
        self.leaves: dict[str, tuple[str, ...]] = {
            AGENT_SECRET: (names.AGENT_IDENTITY,),
            CONTROLLER_SECRET: (names.CONTROLLER_IDENTITY,),
            WEBHOOK_SECRET: (host, f"{service}.{namespace}", f"{host}.cluster.local"),
        }

    async def ensure(self) -> dict[str, Bundle]:
        """Make what is missing, renew what is old; return the leaves by the Secret's name.

        Safe on every replica at once. Raises ApiError.
        """
        authority = await self._authority()
        self.token = token(authority, "evictions")
        return {
            secret: await self._leaf(authority, secret, dns) for secret, dns in self.leaves.items()
        }

    async def publish(
        self, webhook_configuration: str, ca: bytes, *, kind: str = "mutating", call: str = ""
    ) -> bool:
        """Write the authority into every webhook of the configuration; False if it was there.

        Args:
            webhook_configuration: its name.
            ca: PEM of the authority.
            kind: `mutating` or `validating`.
            call: the path to call, where that is ours to write as well.

        Raises ApiError (NotFound: the manifests are not applied completely).
        """
        path = paths.webhookconfigurations(webhook_configuration, kind=kind)
        bundle = base64.b64encode(ca).decode()
        for _ in range(5):
            raw = await self._client.get(path)
            hooks = raw.get("webhooks") or []
            if all([_is_called(hook["clientConfig"], bundle, call) for hook in hooks]):
                return False
            for hook in hooks:
                hook["clientConfig"]["caBundle"] = bundle
                if call:
                    hook["clientConfig"]["service"]["path"] = call
            version = raw["metadata"]["resourceVersion"]
            body = {"metadata": {"resourceVersion": version}, "webhooks": hooks}
            try:
                await self._client.merge_patch(path, body)
            except errors.Conflict:
                continue
            return True
        raise errors.Conflict(409, "Conflict", f"{path} changed five times while it was patched")

    async def _authority(self) -> Authority:
        data = await self._read(CA_SECRET)
        if data is None:
            made = make_authority(self._clock.now())
            values = {"ca.crt": made.cert, "ca.key": made.key}
            if await self._create(CA_SECRET, values, kind="Opaque"):
                _log.info("certificate authority made", secret=CA_SECRET)
                return made
            data = await self._read(CA_SECRET)
            assert data is not None
        authority = Authority(data["ca.crt"], data["ca.key"])
        cert = x509.load_pem_x509_certificate(authority.cert)
        begin, end = cert.not_valid_before_utc, cert.not_valid_after_utc
        if self._clock.now() >= begin + (end - begin) * RENEW_AT:
            _log.warning(
                "the certificate authority nears its end and is not renewed by itself: delete "
                f"the Secret {CA_SECRET} and restart controller and agents at a quiet time",
                expires=end.isoformat(),
            )
        return authority

    async def _leaf(self, authority: Authority, secret: str, dns: tuple[str, ...]) -> Bundle:
        """Return a good leaf; of several replicas that renew, one wins and the others read it."""
        for _ in range(5):
            raw = await self._raw(secret)
            if raw is not None:
                bundle = _bundle(_decode(raw))
                why = (
                    needs_renewal(bundle, dns, self._clock.now())
                    if bundle.ca == authority.cert
                    else "the authority changed"
                )
                if not why:
                    return bundle
                _log.info("certificate renewed", secret=secret, why=why)
            fresh = issue(authority, dns, self._clock.now())
            values = {"ca.crt": fresh.ca, "tls.crt": fresh.cert, "tls.key": fresh.key}
            if raw is None:
                if await self._create(secret, values, kind="kubernetes.io/tls"):
                    return fresh
                continue
            raw["data"] = _encode(values)
            try:
                await self._client.update(paths.secrets(self._namespace, secret), raw)
                return fresh
            except errors.Conflict:
                continue
        raise errors.Conflict(409, "Conflict", f"Secret {secret} changed five times in a row")

    async def _raw(self, name: str) -> dict[str, Any] | None:
        try:
            return await self._client.get(paths.secrets(self._namespace, name))
        except errors.NotFound:
            return None

    async def _read(self, name: str) -> dict[str, bytes] | None:
        raw = await self._raw(name)
        return None if raw is None else _decode(raw)

    async def _create(self, name: str, values: dict[str, bytes], *, kind: str) -> bool:
        """Create a Secret; False if it exists."""
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": self._namespace,
                "labels": {"app.kubernetes.io/part-of": "podferry"},
            },
            "type": kind,
            "data": _encode(values),
        }
        try:
            await self._client.create(paths.secrets(self._namespace), body)
        except errors.AlreadyExists:
            return False
        return True


def _is_called(config: dict[str, Any], bundle: str, call: str) -> bool:
    path = (config.get("service") or {}).get("path")
    return config.get("caBundle") == bundle and (not call or path == call)


def _encode(values: dict[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in values.items()}


def _decode(raw: dict[str, Any]) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in (raw.get("data") or {}).items()}


def _bundle(data: dict[str, bytes]) -> Bundle:
    return Bundle(data.get("ca.crt", b""), data.get("tls.crt", b""), data.get("tls.key", b""))
