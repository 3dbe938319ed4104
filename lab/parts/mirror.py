"""Which Debian mirror this machine uses, read from its own apt sources.

Never asks the network and never assumes a mirror: without one there is one clear error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from podferry.lab.parts.errors import PartsError

VARIABLE = "PODFERRY_DEBIAN_MIRROR"
_SCHEMES = ("http", "https", "file")


def debian_mirror(apt: Path = Path("/etc/apt")) -> str:
    """The mirror's URL; PartsError where neither the variable nor a source names one."""
    given = os.environ.get(VARIABLE, "").strip()
    if given:
        return given.rstrip("/")
    for path in _source_files(apt):
        text = path.read_text(errors="replace")
        uris = deb822_uris(text) if path.suffix == ".sources" else one_line_uris(text)
        for uri in uris:
            parts = urlsplit(uri)
            if parts.scheme in _SCHEMES and parts.path.rstrip("/").endswith("/debian"):
                return uri.rstrip("/")
    raise PartsError(
        f"no Debian mirror in {apt}/sources.list or {apt}/sources.list.d (an address that ends in "
        f"/debian): set {VARIABLE} to the address of one and run the same command again"
    )


def _source_files(apt: Path) -> list[Path]:
    folder = apt / "sources.list.d"
    found = [apt / "sources.list"]
    if folder.is_dir():
        found += sorted(p for p in folder.iterdir() if p.suffix in (".list", ".sources"))
    return [path for path in found if path.is_file()]


def one_line_uris(text: str) -> Iterator[str]:
    """Addresses of the `deb` lines of a classic sources.list, in order."""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if not words or words[0] != "deb":
            continue
        rest = words[1:]
        if rest and rest[0].startswith("["):
            # options may hold spaces: [ arch=amd64 signed-by=... ]
            while rest and not rest[0].endswith("]"):
                rest = rest[1:]
            rest = rest[1:]
        if rest:
            yield rest[0]


def deb822_uris(text: str) -> Iterator[str]:
    """Addresses of the enabled binary stanzas of a `.sources` file, in order."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in "\n".join(lines).split("\n\n"):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1] in (" ", "\t"):
                fields[name] = f"{fields.get(name, '')} {line.strip()}"
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        enabled = fields.get("enabled", "yes").strip().lower() not in ("no", "false", "0")
        if enabled and "deb" in fields.get("types", "").split():
            yield from fields.get("uris", "").split()
