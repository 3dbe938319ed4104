"""The lab's workload keeps its promises: each number once, a checksum that notices damage."""

import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import podferry.lab.images.static as static

PORT = 9000
SOURCE = Path(static.__file__).parent / "src" / "counter.c"

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("counter") / "counter"
    # another port, so that the test needs nothing that the machine may already use
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        global PORT
        PORT = free.getsockname()[1]
    text = SOURCE.read_text()
    assert text.count("PORT = 9000,") == 1
    source = out.with_suffix(".c")
    source.write_text(text.replace("PORT = 9000,", f"PORT = {PORT},"))
    curve = [f"-I{SOURCE.parent}", str(SOURCE.parent / "curve.c")]
    subprocess.run(["gcc", *static._FLAGS, "-o", str(out), str(source), *curve], check=True)
    return out


@dataclass
class Running:
    process: subprocess.Popen[str]
    records: Path

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def client(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", PORT), timeout=20)


@pytest.fixture
def running(program: Path, tmp_path: Path) -> Iterator[Running]:
    records = tmp_path / "records"
    env = os.environ | {"MB": "8", "RATE": "4", "NODE": "node-x", "RECORDS": str(records)}
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True, env=env) as process:
        found = Running(process, records)
        assert "ready mb=8 rate=4" in found.line()
        yield found
        process.kill()


def ask(client: socket.socket, *requests: str) -> list[str]:
    client.sendall("".join(f"{request}\n" for request in requests).encode())
    file = client.makefile()
    return [file.readline().rstrip("\n") for _ in requests]


def test_no_number_is_given_twice_to_any_client(running: Running) -> None:
    with running.client() as one, running.client() as two:
        replies = [reply for _ in range(100) for c in (one, two) for reply in ask(c, "count")]
    boots = {reply.split()[0] for reply in replies}
    numbers = [int(reply.split()[2]) for reply in replies]
    assert len(boots) == 1
    assert numbers == sorted(set(numbers))
    assert replies[0].split()[1] == socket.gethostname()


def test_several_requests_in_one_packet_are_all_answered(running: Running) -> None:
    with running.client() as client:
        replies = ask(client, *["count"] * 10, "nonsense", "count")
    assert [len(reply.split()) for reply in replies[:10]] == [3] * 10
    assert replies[10].startswith("error:")
    assert int(replies[11].split()[2]) > int(replies[9].split()[2])


def test_the_checksum_is_the_expected_one_while_the_other_half_is_written(running: Running) -> None:
    running.line()  # a second of writing has gone by
    with running.client() as client:
        (reply,) = ask(client, "sum")
    measured, expected = reply.split()
    assert measured == expected


def test_the_checksum_notices_one_changed_byte(running: Running) -> None:
    maps = Path(f"/proc/{running.process.pid}/maps").read_text().splitlines()
    sizes = {line.split()[0]: line for line in maps if "rw-p" in line}
    start = next(
        int(low, 16)
        for low, high in (span.split("-") for span in sizes)
        if int(high, 16) - int(low, 16) >= 8 << 20
    )
    with open(f"/proc/{running.process.pid}/mem", "r+b", buffering=0) as memory:
        memory.seek(start + (1 << 20))
        old = memory.read(1)
        memory.seek(start + (1 << 20))
        memory.write(bytes([old[0] ^ 1]))
    with running.client() as client:
        (reply,) = ask(client, "sum")
    measured, expected = reply.split()
    assert measured != expected


def test_records_name_process_and_node_with_rising_numbers(running: Running) -> None:
    boot = running.line().split()[0].removeprefix("boot=")
    lines = running.records.read_text().splitlines()
    assert len(lines) >= 5
    assert all(re.fullmatch(rf"{boot} node-x \d+", line) for line in lines)
    numbers = [int(line.split()[2]) for line in lines]
    assert numbers == sorted(set(numbers))


def test_a_log_line_comes_about_every_second(running: Running) -> None:
    assert running.process.stdout is not None
    for _ in range(2):
        assert select.select([running.process.stdout], [], [], 10)[0]
        assert re.search(r"node=node-x count=\d+", running.line())


def test_a_request_without_an_end_does_not_grow_for_ever(running: Running) -> None:
    with running.client() as client:
        client.sendall(b"x" * 200)
        # a reset is the same end, told harder: some of the request was never read
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100) == b""


def test_sigterm_ends_it_with_success(running: Running) -> None:
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(timeout=20) == 0


def test_a_wrong_size_is_refused_with_the_allowed_range(program: Path) -> None:
    done = subprocess.run(
        [program], env={"MB": "lots"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "MB=lots" in done.stderr
    assert "from 1 to" in done.stderr
