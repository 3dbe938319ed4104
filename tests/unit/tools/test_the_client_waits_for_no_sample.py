"""The bench's client against a server that leaves its first caller waiting."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tools.bench import gap


def serve(listener: socket.socket, kept: list[socket.socket]) -> None:
    """Never answer the first connection; answer every other at once."""
    try:
        kept.append(listener.accept()[0])
        while True:
            connection = listener.accept()[0]
            with connection:
                connection.recv(100)
                connection.sendall(b"aaaa host 1\n")
    except OSError:
        return


@pytest.fixture
def samples() -> Iterator[list[gap.Sample]]:
    """What the client printed until 30 samples were answered and the first was given up."""
    kept: list[socket.socket] = []
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener, kept), daemon=True).start()
    argv = [sys.executable, "-I", "-c", gap.PROGRAM.read_text(), "127.0.0.1"]
    argv += [str(listener.getsockname()[1]), "0.004", "0.1"]
    client = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert client.stdin
    assert client.stdout
    lines: list[str] = []
    while sum("aaaa" in line for line in lines) < 30 or not any("!" in line for line in lines):
        lines.append(client.stdout.readline())
    client.stdin.close()
    lines += client.stdout.readlines()
    assert client.wait(10) == 0
    listener.close()
    yield gap.parse(lines)
    for connection in kept:
        connection.close()


def test_others_are_answered_while_one_waits(samples: list[gap.Sample]) -> None:
    first = min(samples, key=lambda sample: sample.begin)
    assert not first.boot
    meanwhile = [item for item in samples if item.boot and item.end < first.end]
    assert len(meanwhile) > 1
