"""An open TCP connection ends with an error that its client sees at once, and is counted."""

from __future__ import annotations

import subprocess

import pytest

from tests.lab.cluster import PODFERRY_LAB
from tests.lab.moves import Moves

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

# Connects, has one answer, then only listens: it learns of the end by a packet or never.
CLIENT = """
import socket, sys, time
with socket.create_connection((sys.argv[1], 9000), timeout=5) as connection:
    connection.sendall(b"count\\n")
    connection.recv(200)
    print("connected", flush=True)
    connection.settimeout(60)
    try:
        print("closed" if not connection.recv(1) else "data", time.time())
    except OSError as error:
        print(type(error).__name__, time.time())
"""


@pytest.mark.parametrize("copy", ["StopAndCopy", "PostCopy"])
def test_a_silent_client_is_reset_at_the_commit_and_the_status_counts_it(
    moves: Moves, copy: str
) -> None:
    pod = moves.start("Deployment", "w", mb=128)
    client = subprocess.Popen(
        [*PODFERRY_LAB, "exec", "--name", moves.cluster.name, "control", "--",
         "python3", "-I", "-c", CLIENT, pod["status"]["podIP"]],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert client.stdout is not None
    assert client.stdout.readline().strip() == "connected"
    status = moves.migrate("Deployment", "w", "m", copy=copy)
    assert status["phase"] == "Succeeded", status
    said, _ = client.communicate(timeout=70)
    assert said.split()[0] == "ConnectionResetError"
    assert status["measured"]["tcpConnectionsClosed"] == 1
    released = {item["type"]: item for item in status["conditions"]}["SourceReleased"]
    assert "1 TCP connections were reset" in released["message"]
