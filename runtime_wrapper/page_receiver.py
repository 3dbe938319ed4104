"""Receives the memory of a frozen container at the target node, in the place of criu's page server.

Started detached by the agent with `python3 -I -S`; standard library only, one file, Python >= 3.9.
It speaks the protocol of criu's page server (criu/page-xfer.c) inside TLS 1.3 and writes the same
pagemap and pages images. Owns: authentication of the peer, one stream, those files. Never does:
take a byte from a peer that has not proven to be an agent, or answer "all received" before
everything was written. Why it is not criu's own: docs/decisions/0003.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import ssl
import struct
import sys

PAGE = 4096
CHUNK = 1 << 20
"""Bytes taken from the socket and written to a file at once: few calls, still in a cache."""
HANDSHAKE_SECONDS = 5.0
IDLE_SECONDS = 120.0
"""Longer than any dump may take; a source that vanished ends the receiver at last."""

IOV = struct.Struct("<I4xQQQ")
"""struct page_server_iov: command (upper half: flags), pages, address, image."""
OPEN2, PARENT, ADD_F, CLOSE, FORCE_CLOSE = 4, 5, 6, 0x1023, 0x1024
PRESENT = 4
KINDS = {1: "pagemap", 2: "pagemap-shmem"}
IMAGE_HEAD = struct.pack("<II", 0x54564319, 0x56084025)
READY = "ready.tmp"
"""A file of the agent's whose pages are in memory already: writing over them is much cheaper."""
FIRST_PAGES_ID = 0x10001
"""As criu's page server counts its pages files: those of the dump itself count from 1."""


class Broken(Exception):
    """The stream cannot be used; the text says why."""


class Stream:
    """The decrypted stream of one authenticated peer."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        """Authenticate both sides. Raises OSError (also ssl.SSLError)."""
        connection.settimeout(HANDSHAKE_SECONDS)
        self._tls = context.wrap_socket(connection, server_side=True)
        self._tls.settimeout(IDLE_SECONDS)

    def names(self) -> set[str]:
        """DNS names in the peer's certificate."""
        pairs = (self._tls.getpeercert() or {}).get("subjectAltName", ())
        return {str(pair[1]) for pair in pairs if pair[0] == "DNS"}

    def read(self, into: memoryview) -> None:
        """Fill the whole of `into`. Raises Broken at an early end, OSError."""
        done, wanted = 0, len(into)
        while done < wanted:
            count = self._tls.recv_into(into[done:])
            if not count:
                raise Broken("the source closed the stream before its end")
            done += count

    def send(self, data: bytes) -> None:
        """Answer the peer."""
        self._tls.sendall(data)

    def close(self) -> None:
        """Say the end of TLS and wait for the peer's, as criu's server does."""
        with contextlib.suppress(OSError):
            self._tls.unwrap()
        self._tls.close()


class Images:
    """The image files of the memory that arrives; one pair is open at a time."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._next = FIRST_PAGES_ID
        self._map = self._pages = -1
        self._entries = bytearray()
        self._buffer = memoryview(bytearray(CHUNK))
        self._filled = self._written = 0
        self._name = ""
        self.bytes = 0

    def open(self, image: int) -> None:
        """Begin the pagemap that `image` (number and kind) names. Raises Broken, OSError."""
        self.close()
        kind = KINDS.get(image & 0xFF)
        if kind is None:
            raise Broken(f"the source sent an image of unknown kind {image & 0xFF}")
        self._map = self._create(f"{kind}-{image >> 8}.img")
        self._entries += IMAGE_HEAD + _message((1, self._next))
        self._name = f"pages-{self._next}.img"
        self._next += 1
        self._written = 0

    def add(self, address: int, pages: int, flags: int, stream: Stream) -> None:
        """Note a range, and take its bytes from the stream if they follow."""
        if self._map < 0:
            raise Broken("the source sent memory before it named an image")
        # Field 2 is the count that versions before 4.2 read, field 5 the one since.
        old = pages if pages < 1 << 32 else 0
        self._entries += _message((1, address), (2, old), (4, flags), (5, pages))
        if len(self._entries) >= CHUNK:  # however many ranges come, memory stays as it is
            self._write_entries()
        left = pages * PAGE if flags & PRESENT else 0
        self.bytes += left
        while left:
            count = min(left, CHUNK - self._filled)
            stream.read(self._buffer[self._filled : self._filled + count])
            self._filled += count
            left -= count
            if self._filled == CHUNK:
                self._write_pages()

    def close(self) -> None:
        """Write what is left of the open pair. Raises OSError."""
        if self._map < 0:
            return
        self._write_pages()
        self._write_entries()
        os.close(self._map)
        os.ftruncate(self._pages, self._written)
        os.close(self._pages)
        self._map = self._pages = -1

    def tidy(self) -> None:
        """Remove the file made ready if no image was large enough for it."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self._folder}/{READY}")

    def _write_entries(self) -> None:
        _write(self._map, memoryview(self._entries))
        self._entries = bytearray()

    def _write_pages(self) -> None:
        if self._pages < 0:
            self._pages = self._open_pages()
        _write(self._pages, self._buffer[: self._filled])
        self._written += self._filled
        self._filled = 0

    def _open_pages(self) -> int:
        """The file made ready, for the first image of more than one chunk; else a new one."""
        path = f"{self._folder}/{self._name}"
        if self._filled == CHUNK:
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{self._folder}/{READY}", path)
                return os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        return self._create(self._name)

    def _create(self, name: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(f"{self._folder}/{name}", flags, 0o600)


def _write(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _message(*fields: tuple[int, int]) -> bytes:
    """A protobuf message of varint fields with its length, as criu's images hold it."""
    text = b"".join(_varint(number << 3) + _varint(value) for number, value in fields)
    return struct.pack("<I", len(text)) + text


def _varint(value: int) -> bytes:
    text = bytearray()
    while value > 0x7F:
        text.append(value & 0x7F | 0x80)
        value >>= 7
    text.append(value)
    return bytes(text)


def receive(stream: Stream, images: Images) -> None:
    """Take one dump's memory until the source says that it sent all. Raises Broken, OSError."""
    head = memoryview(bytearray(IOV.size))
    while True:
        stream.read(head)
        word, pages, address, image = IOV.unpack(head)
        command = word & 0xFFFF
        if command == ADD_F:
            images.add(address, pages, word >> 16, stream)
        elif command == OPEN2:
            images.open(image)
            stream.send(b"\0")  # no parent image: this is never an incremental dump
        elif command == PARENT:
            stream.send(struct.pack("<i", 0))
        elif command in (CLOSE, FORCE_CLOSE):
            images.close()
            stream.send(struct.pack("<i", 0))
            return
        else:
            raise Broken(f"the source sent the unknown command {command:#x}")


def server_context(folder: str) -> ssl.SSLContext:
    """TLS 1.3 with a certificate demanded of the peer; ca.crt, tls.crt, tls.key in the folder."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=f"{folder}/ca.crt")
    context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
    context.num_tickets = 0  # criu's client cannot read one
    return context


def accept(listener: socket.socket, context: ssl.SSLContext, identity: str) -> Stream:
    """The first peer that proves to be `identity`; others are refused and waited past."""
    while True:
        connection, (host, *_) = listener.accept()
        try:
            stream = Stream(connection, context)
            found = stream.names()
            if identity in found:
                return stream
            stream.close()
            why = f"its certificate is for {', '.join(sorted(found)) or 'no name'}"
        except OSError as error:
            why = str(error)
            connection.close()
        print(f"refused {host}: {why}; expected {identity}", file=sys.stderr, flush=True)


def main(argv: list[str]) -> int:
    """Listen, receive once, end: 0 when everything was received and written."""
    parser = argparse.ArgumentParser(description="Receive criu's memory pages over mutual TLS.")
    parser.add_argument("--images-dir", required=True)
    parser.add_argument("--tls-dir", required=True)
    parser.add_argument("--identity", required=True, help="DNS name in the source's certificate")
    parser.add_argument("--address", default="0.0.0.0")  # noqa: S104
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(argv)
    try:
        context = server_context(options.tls_dir)
        images = Images(options.images_dir)
        with socket.create_server((options.address, options.port), backlog=8) as listener:
            stream = accept(listener, context, options.identity)
        receive(stream, images)
        images.tidy()
        stream.close()
    except (OSError, Broken) as error:
        print(f"memory was not received: {error}", file=sys.stderr)
        return 1
    print(f"received {images.bytes} bytes of memory", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
