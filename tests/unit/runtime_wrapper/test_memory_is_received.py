"""The receiver of memory: what it writes, and whom it takes it from. Real sockets, real TLS."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from podferry.agent import pagemap
from podferry.runtime_wrapper import page_receiver
from podferry.wire import names
from tests.fakes.certificates import Authority

PAGE = 4096
PRESENT = 4
MEBI = 1 << 20


class Receiver:
    """A running receiver and its certificates."""

    def __init__(self, path: Path) -> None:
        self.path, self.authority = path, Authority()
        self.images = path / "images"
        self.images.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        server = self.authority.folder(path / "server", names.AGENT_IDENTITY)
        argv = ["--images-dir", str(self.images), "--tls-dir", server]
        argv += ["--identity", names.AGENT_IDENTITY, "--address", "127.0.0.1"]
        argv += ["--port", str(self.port)]
        self.code: int | None = None
        self.thread = threading.Thread(target=self._run, args=(argv,), daemon=True)
        self.thread.start()

    def _run(self, argv: list[str]) -> None:
        self.code = page_receiver.main(argv)

    def ended(self) -> int | None:
        self.thread.join(20)
        return self.code

    def socket(self) -> socket.socket:
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), timeout=10)
            except ConnectionRefusedError:
                assert self.thread.is_alive()

    def client(
        self, identity: str, authority: Authority | None = None, *, hours: float = 1
    ) -> ssl.SSLSocket:
        of = authority or self.authority
        folder = of.folder(self.path / identity, identity, hours=hours)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=f"{self.path}/server/ca.crt")
        context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
        return context.wrap_socket(self.socket(), server_hostname=names.AGENT_IDENTITY)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    return Receiver(tmp_path)


def word(command: int, pages: int = 0, address: int = 0, image: int = 0, flags: int = 0) -> bytes:
    return struct.pack("<I4xQQQ", flags << 16 | command, pages, address, image)


def send_image(peer: ssl.SSLSocket, number: int, *ranges: tuple[int, bytes], kind: int = 1) -> None:
    """One image as criu's dump sends it: it waits for the answer to its OPEN."""
    image = number << 8 | kind
    peer.sendall(word(page_receiver.OPEN2, image=image))
    assert peer.recv(1) == b"\0"
    for address, memory in ranges:
        pages = len(memory) // PAGE
        peer.sendall(word(page_receiver.ADD_F, pages, address, image, PRESENT) + memory)


def finish(peer: ssl.SSLSocket) -> bytes:
    peer.sendall(word(page_receiver.CLOSE))
    answer = peer.recv(4)
    peer.unwrap().close()
    return answer


def turned_away(peer: socket.socket) -> bool:
    """Whether asking for an image is not answered."""
    with peer:
        try:
            peer.sendall(word(page_receiver.OPEN2, image=1 << 8 | 1))
            answer = peer.recv(1)
        except OSError:
            return True
        return answer != b"\0"  # nothing, or without TLS the first byte of an alert


def test_every_range_lands_in_the_pages_file_of_its_pagemap(receiver: Receiver) -> None:
    first, second, shared = os.urandom(3 * MEBI), os.urandom(PAGE), os.urandom(5 * PAGE)
    peer = receiver.client(names.AGENT_IDENTITY)
    send_image(peer, 1, (0x400000, first), (0x7F0000000000, second))
    peer.sendall(word(page_receiver.ADD_F, 7, 0x7F1000000000, 1 << 8 | 1, flags=2))  # lazy, absent
    send_image(peer, 9, (0x0, shared), kind=2)
    assert finish(peer) == bytes(4)
    assert receiver.ended() == 0
    assert pagemap.check(str(receiver.images)) == 3 * MEBI + 6 * PAGE
    assert pagemap.read(receiver.images / "pagemap-1.img") == (0x10001, 3 * MEBI + PAGE)
    assert pagemap.read(receiver.images / "pagemap-shmem-9.img") == (0x10002, 5 * PAGE)
    assert (receiver.images / "pages-65537.img").read_bytes() == first + second
    assert (receiver.images / "pages-65538.img").read_bytes() == shared


def test_the_first_large_image_takes_the_file_made_ready_and_no_more_of_it(
    receiver: Receiver,
) -> None:
    ready = receiver.images / page_receiver.READY
    ready.write_bytes(b"\xff" * 4 * MEBI)
    inode = ready.stat().st_ino
    small, large = os.urandom(PAGE), os.urandom(2 * MEBI + PAGE)
    peer = receiver.client(names.AGENT_IDENTITY)
    send_image(peer, 1, (0x400000, small))
    send_image(peer, 2, (0x400000, large))
    finish(peer)
    assert receiver.ended() == 0
    assert (receiver.images / "pages-65537.img").read_bytes() == small
    pages = receiver.images / "pages-65538.img"
    assert pages.read_bytes() == large
    assert pages.stat().st_ino == inode
    assert not ready.exists()


def test_strangers_are_refused_and_the_agent_after_them_is_served(receiver: Receiver) -> None:
    assert turned_away(receiver.socket())
    assert turned_away(receiver.client(names.CONTROLLER_IDENTITY))
    assert turned_away(receiver.client(names.AGENT_IDENTITY, Authority()))
    assert turned_away(receiver.client(names.AGENT_IDENTITY, hours=-1))
    assert os.listdir(receiver.images) == []
    peer = receiver.client(names.AGENT_IDENTITY)
    send_image(peer, 1, (0x400000, bytes(PAGE)))
    finish(peer)
    assert receiver.ended() == 0


def test_a_stream_that_breaks_off_is_a_failure(
    receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    peer = receiver.client(names.AGENT_IDENTITY)
    peer.sendall(word(page_receiver.OPEN2, image=1 << 8 | 1))
    peer.recv(1)
    peer.sendall(word(page_receiver.ADD_F, 2, 0x400000, 1 << 8 | 1, PRESENT) + bytes(PAGE))
    peer.close()
    assert receiver.ended() == 1
    assert "memory was not received" in capsys.readouterr().err
