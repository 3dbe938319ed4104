"""The demo's client against a real socket: one connection a request, records, an end on demand."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

from podferry.cli import demo_client, records


class Service:
    """Gives numbers, and hangs up without an answer on the requests in `rude`."""

    def __init__(self, rude: set[int]) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.rude = rude
        self.asked = 0
        self.given = 0
        self.enough = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with connection:
                assert connection.recv(100) == b"count\n"
                self.asked += 1
                if self.asked not in self.rude:
                    self.given += 1
                    connection.sendall(f"b1 web-1 {self.given}\n".encode())
            if self.given >= 20:
                self.enough.set()


def test_a_request_that_gets_no_answer_is_recorded_and_the_next_one_is_made() -> None:
    service = Service(rude={5, 6})
    port = service.listening.getsockname()[1]
    script = Path(demo_client.__file__).read_text()
    client = subprocess.Popen(
        [sys.executable, "-I", "-c", script, "127.0.0.1", str(port), "count", "0.001"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert service.enough.wait(30)
    out, _ = client.communicate(timeout=30)
    service.listening.close()
    assert client.returncode == 0
    found, failures = records.parse(out.splitlines())
    verdict = records.check(found, failures)
    assert verdict.ok, verdict.problems
    assert (verdict.first, verdict.unanswered) == (1, 2)
    assert verdict.answers >= 20
