"""A box's PID 1 starts services in order and starts again what ends; run as a plain process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from podferry.lab.cluster import supervisor

START = "import sys; from podferry.lab.cluster import supervisor as s; s.LOG=sys.argv[1]; "
Rows = dict[str, dict[str, Any]]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[[list[dict[str, Any]]], None]]:
    running: list[subprocess.Popen[bytes]] = []

    def begin(services: list[dict[str, Any]]) -> None:
        spec = tmp_path / "services.spec"
        spec.write_text(json.dumps(services))
        command = [sys.executable, "-c", START + "s.main(sys.argv[2])", str(tmp_path), str(spec)]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))

    yield begin
    pids = [row["pid"] for row in rows(tmp_path).values() if row["pid"]]
    for process in running:
        process.kill()
        process.wait()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def rows(folder: Path) -> Rows:
    try:
        return {row["name"]: row for row in json.loads((folder / "services.json").read_text())}
    except OSError:
        return {}


def until(folder: Path, wanted: Callable[[Rows], bool]) -> Rows:
    """Poll the supervisor's report: it is its only sign to the outside."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = rows(folder)
        if found and wanted(found):
            return found
        time.sleep(0.02)
    raise AssertionError(rows(folder))


Supervise = Callable[[list[dict[str, Any]]], None]


def test_a_service_that_is_ended_is_started_again(supervise: Supervise, tmp_path: Path) -> None:
    supervise([{"name": "a", "argv": ["sleep", "60"]}])
    pid = until(tmp_path, lambda r: r["a"]["ready"])["a"]["pid"]
    os.kill(pid, signal.SIGTERM)
    again = until(tmp_path, lambda r: r["a"]["starts"] == 2 and r["a"]["pid"])
    assert again["a"]["pid"] != pid


def test_a_service_waits_until_the_one_before_it_is_ready(
    supervise: Supervise, tmp_path: Path
) -> None:
    sign = tmp_path / "sign"
    supervise(
        [
            {"name": "a", "argv": ["sleep", "60"], "ready": {"file": str(sign)}},
            {"name": "b", "argv": ["sleep", "60"]},
        ]
    )
    assert until(tmp_path, lambda r: r["a"]["pid"])["b"]["starts"] == 0
    sign.touch()
    until(tmp_path, lambda r: r["a"]["ready"] and r["b"]["ready"])


def test_a_oneshot_is_tried_until_it_succeeds_and_then_never_again(
    supervise: Supervise, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    script = f"test -e {flag} && exit 0; touch {flag}; exit 3"
    supervise(
        [
            {"name": "once", "argv": ["sh", "-c", script], "oneshot": True},
            {"name": "after", "argv": ["sleep", "60"]},
        ]
    )
    found = until(tmp_path, lambda r: r["once"]["ready"] and r["after"]["ready"])
    assert found["once"] == {"name": "once", "pid": 0, "ready": True, "starts": 2}


def test_a_program_that_does_not_exist_is_told_in_its_log(
    supervise: Supervise, tmp_path: Path
) -> None:
    supervise([{"name": "a", "argv": ["/no/such/program"], "ready": {"file": "/no/such"}}])
    until(tmp_path, lambda r: r["a"]["starts"] > 1)
    assert "/no/such/program" in (tmp_path / "a.log").read_text()


def test_a_probe_is_true_only_where_something_answers(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    assert not supervisor.probe({"unix": path})
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        assert supervisor.probe({"unix": path})
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert supervisor.probe({"tcp": address})
    assert not supervisor.probe({"tcp": address})
