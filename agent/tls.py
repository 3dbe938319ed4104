"""Mutual TLS 1.3 of the agents: contexts from a folder, reload on change, the peer's identity.

Owns: ca.crt, tls.crt, tls.key in one folder. Never does: serve or connect without both
certificates.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from dataclasses import dataclass

import structlog

from podferry.wire import names

log = structlog.get_logger("podferry.agent.tls")
DEFAULT_DIR = "/etc/podferry/tls"
FILES = ("ca.crt", "tls.crt", "tls.key")


@dataclass(slots=True)
class Identity:
    """This agent's certificate and the authority, as contexts for both directions."""

    folder: str
    server: ssl.SSLContext
    client: ssl.SSLContext
    stamp: tuple[tuple[int, int], ...]

    @staticmethod
    def load(folder: str) -> Identity:
        """Read the folder. Raises OSError or ssl.SSLError naming the file."""
        missing = [name for name in FILES if not os.path.isfile(f"{folder}/{name}")]
        if missing:
            raise FileNotFoundError(
                f"{folder} lacks {', '.join(missing)}; mount the agent's certificate there"
            )
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for context in (server, client):
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cafile=f"{folder}/ca.crt")
            context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
        return Identity(folder, server, client, _stamp(folder))

    def refresh(self) -> bool:
        """Load changed files into the living contexts. Returns whether anything changed."""
        stamp = _stamp(self.folder)
        if stamp == self.stamp:
            return False
        Identity.load(self.folder)  # a half written folder raises here, before anything changes
        for context in (self.server, self.client):
            context.load_verify_locations(cafile=f"{self.folder}/ca.crt")
            context.load_cert_chain(f"{self.folder}/tls.crt", f"{self.folder}/tls.key")
        self.stamp = stamp
        return True

    async def watch(self, *, every_seconds: float = 10.0) -> None:
        """Refresh for ever; a bad folder is logged and the old certificate stays in use."""
        while True:
            await asyncio.sleep(every_seconds)
            try:
                if self.refresh():
                    log.info("certificates reloaded", folder=self.folder)
            except (OSError, ssl.SSLError) as error:
                log.warning("certificates not reloaded", folder=self.folder, error=str(error))


def _stamp(folder: str) -> tuple[tuple[int, int], ...]:
    stats = [os.stat(f"{folder}/{name}") for name in FILES]
    return tuple((item.st_mtime_ns, item.st_ino) for item in stats)


def peer_names(ssl_object: ssl.SSLObject | ssl.SSLSocket | None) -> frozenset[str]:
    """DNS names in the verified certificate of the peer; empty if there is none."""
    certificate = ssl_object.getpeercert() if ssl_object else None
    if not certificate:
        return frozenset()
    pairs = certificate.get("subjectAltName", ())
    found: set[str] = set()
    for pair in pairs:
        if pair[0] == "DNS":
            found.add(str(pair[1]))
    return frozenset(found & {names.AGENT_IDENTITY, names.CONTROLLER_IDENTITY})
