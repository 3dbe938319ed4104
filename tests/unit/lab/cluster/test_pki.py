"""Certificates are what the components need them to be."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from podferry.lab.cluster import pki


def test_a_server_certificate_names_its_hosts_and_is_signed_by_its_authority() -> None:
    ca = pki.authority("ca")
    cert = x509.load_pem_x509_certificate(pki.issue(ca, "x", hosts=["a.b", "127.0.0.1"]).cert)
    cert.verify_directly_issued_by(ca.cert)
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.b"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]


def test_a_client_certificate_carries_user_and_groups_and_cannot_serve() -> None:
    pair = pki.issue(pki.authority("ca"), "u", groups=["g", "h"])
    cert = x509.load_pem_x509_certificate(pair.cert)
    organisations = cert.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [a.value for a in organisations] == ["g", "h"]
    usage = cert.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_a_key_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    pki.issue(pki.authority("ca"), "u").write(tmp_path, "u")
    assert (tmp_path / "u.key").stat().st_mode & 0o777 == 0o600
