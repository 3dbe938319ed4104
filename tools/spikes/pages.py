"""The other end of a lazy dump: fetches pages as `criu lazy-pages` does, at a pace of its own.

Owns: CRIU's page-server protocol for PS_IOV_GET and PS_IOV_CLOSE, reading which pages are lazy.
"""

from __future__ import annotations

import socket
import ssl
import struct
from pathlib import Path

_HEADER = struct.Struct("<IxxxxQQQ")  # command, pages, address, id of the task
_GET, _CLOSE, _ADD = 7, 0x1023, 6
_PAGE = 4096
_LAZY, _PRESENT = 2, 4
_CHUNK = 256


class Client:
    """One connection to a criu that serves the pages of one task."""

    def __init__(self, port: int, images: Path, tls: Path | None = None) -> None:
        self._wanted = list(_lazy_ranges(images))
        self.total = sum(pages for _, _, pages in self._wanted)
        self.fetched = 0
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        if tls is not None:
            context = ssl.create_default_context(cafile=str(tls / "ca.crt"))
            context.check_hostname = False  # as the agent's criu: names are not addresses
            context.load_cert_chain(tls / "tls.crt", tls / "tls.key")
            self._socket = context.wrap_socket(self._socket)

    def fetch(self, share: float) -> int:
        """Fetch until that share of all lazy pages is here. Returns pages fetched so far."""
        while self._wanted and self.fetched < self.total * share:
            task, address, pages = self._wanted.pop(0)
            wanted = min(pages, _CHUNK)
            self._socket.sendall(_HEADER.pack(_GET, wanted, address, task))
            command, got, _, _ = _HEADER.unpack(self._read(_HEADER.size))
            if command & 0xFFFF != _ADD or not 0 < got <= wanted:
                raise RuntimeError(f"criu answered {command:#x} with {got} pages to a request")
            self._read(got * _PAGE)
            self.fetched += got
            if pages > got:
                self._wanted.insert(0, (task, address + got * _PAGE, pages - got))
        return self.fetched

    def finish(self) -> None:
        """Say that nothing more is wanted; criu ends then."""
        self._socket.sendall(_HEADER.pack(_CLOSE, 0, 0, 0))
        self._socket.settimeout(10)
        try:
            self._socket.recv(4)
        finally:
            self._socket.close()

    def close(self) -> None:
        """Drop the connection as a killed daemon does: no last word, also none of TLS."""
        self._socket.close()

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise ConnectionError("criu closed the connection")
            data += part
        return bytes(data)


def _lazy_ranges(images: Path) -> list[tuple[int, int, int]]:
    """(task, address, pages) of everything that the dump left out."""
    found = []
    for path in sorted(images.glob("pagemap-[0-9]*.img")):
        task = int(path.stem.rpartition("-")[2])
        for fields in _messages(path.read_bytes()):
            flags = fields.get(4, _PRESENT)
            if flags & _LAZY and not flags & _PRESENT:
                found.append((task, fields[1], fields.get(5) or fields.get(2, 0)))
    return found


def _messages(data: bytes) -> list[dict[int, int]]:
    """The entries of a pagemap image: length, then varint fields; the first message is its head."""
    messages, position = [], 8
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "little")
        position += 4
        fields, end = {}, position + size
        while position < end:
            key, position = _varint(data, position)
            fields[key >> 3], position = _varint(data, position)
        messages.append(fields)
    return messages[1:]


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if not byte & 0x80:
            return value, position
