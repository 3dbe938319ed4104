"""The sender of memory: what it carries, for whom it starts a dump. Real sockets, real TLS."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from podferry.runtime_wrapper import page_sender
from podferry.wire import names
from tests.fakes.certificates import Authority

MEBI = 1 << 20
FD = "900"  # far from what the test runner has open, below the usual limit of 1024
TALK = f"""
import os, sys
os.write({FD}, b"ask!")
answer = os.read({FD}, 4)
for _ in range(8): os.write({FD}, answer * {MEBI // 4})
sys.exit(3 if answer == b"fine" else 4)
"""
"""Stands for criu: asks, waits for the answer, sends much, ends with a code of its own."""


class Target:
    """A receiver that does what a test says, with the certificate that a test says."""

    def __init__(
        self, path: Path, talk: Callable[[ssl.SSLSocket], None], name: str, *, hours: float = 1
    ) -> None:
        authority = Authority()
        self.source = authority.folder(path / "source", names.AGENT_IDENTITY)
        folder = authority.folder(path / "target", name, hours=hours)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_verify_locations(f"{folder}/ca.crt")
        self._context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
        self._talk, self._listener = talk, socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, self._listener:
            try:
                self._talk(self._context.wrap_socket(connection, server_side=True))
            except OSError:
                return

    def send(self, *command: str) -> int:
        port = str(self._listener.getsockname()[1])
        argv = ["--tls-dir", self.source, "--identity", names.AGENT_IDENTITY]
        argv += ["--address", "127.0.0.1", "--port", port, "--descriptor", FD, "--", *command]
        return page_sender.main(argv)


def test_bytes_go_both_ways_and_the_dump_s_own_code_comes_back(tmp_path: Path) -> None:
    taken: list[int] = []

    def talk(stream: ssl.SSLSocket) -> None:
        assert stream.recv(4) == b"ask!"
        stream.sendall(b"fine")
        while piece := stream.recv(MEBI):
            taken.append(len(piece))

    target = Target(tmp_path, talk, names.AGENT_IDENTITY)
    assert target.send(sys.executable, "-c", TALK) == 3
    target.thread.join(20)
    assert sum(taken) == 8 * MEBI


@pytest.mark.parametrize(("name", "hours"), [(names.CONTROLLER_IDENTITY, 1),
                                             (names.AGENT_IDENTITY, -1)])  # fmt: skip
def test_nothing_is_started_for_a_peer_that_is_no_agent_or_not_any_more(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, hours: float
) -> None:
    target = Target(tmp_path, lambda stream: None, name, hours=hours)
    started = tmp_path / "started"
    assert target.send("touch", str(started)) == page_sender.NO_TARGET
    assert not started.exists()
    assert "was not reached" in capfd.readouterr().err


def test_a_stream_that_breaks_fails_the_dump(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def talk(stream: ssl.SSLSocket) -> None:
        stream.recv(4)
        stream.sendall(b"fine")
        stream.recv(MEBI)
        stream.shutdown(socket.SHUT_RDWR)

    target = Target(tmp_path, talk, names.AGENT_IDENTITY)
    assert target.send(sys.executable, "-c", TALK) not in (0, 3)
    assert "Traceback" not in capfd.readouterr().err.partition("the stream")[0]


def test_a_target_that_answers_more_than_is_asked_does_not_hold_the_dump(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(page_sender, "ANSWER_SECONDS", 0.2)

    def talk(stream: ssl.SSLSocket) -> None:
        while True:
            stream.sendall(bytes(MEBI))

    # criu reads what it asked for and nothing else; it ends when its page server is gone.
    waits = f"import os, select; p = select.poll(); p.register({FD}, 0); p.poll(); os._exit(5)"
    assert Target(tmp_path, talk, names.AGENT_IDENTITY).send(sys.executable, "-c", waits) == 5
    assert "the stream to the target broke" in capfd.readouterr().err


def test_a_target_that_does_not_listen_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    folder = Authority().folder(tmp_path / "source", names.AGENT_IDENTITY)
    argv = ["--tls-dir", folder, "--identity", "x", "--address", "127.0.0.1", "--port", port]
    assert page_sender.main([*argv, "--descriptor", FD, "--", "true"]) == page_sender.NO_TARGET
    assert f"127.0.0.1:{port}" in capfd.readouterr().err
