"""A criu that holds only a second thread would freeze the source again at its end."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from podferry.agent.ops import deadman, fate, processes, thaw
from podferry.agent.ops.freezer import Cgroup
from podferry.agent.ops.host import Host

VICTIM = """
import threading, time
seen = threading.Event()
def run():
    print(threading.get_native_id(), flush=True)
    time.sleep(60)
threading.Thread(target=run, daemon=True).start()
time.sleep(60)
"""
TRACER = """
import ctypes, sys, time  # criu
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(15, b"criu", 0, 0, 0)
assert libc.ptrace(0x4206, int(sys.argv[1]), 0, 0) == 0, ctypes.get_errno()
print("seized", flush=True)
time.sleep(60)
"""


@pytest.fixture
def traced(tmp_path: Path) -> Iterator[tuple[Cgroup, subprocess.Popen[str]]]:
    """A group of files whose one process has a second thread that a false criu traces."""
    argv = [sys.executable, "-c", VICTIM]
    victim = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert victim.stdout is not None
    thread = victim.stdout.readline().strip()
    tracer = subprocess.Popen(
        [sys.executable, "-c", TRACER, thread], stdout=subprocess.PIPE, text=True
    )
    assert tracer.stdout is not None
    assert tracer.stdout.readline().strip() == "seized"
    inner = tmp_path / "freezer" / "inner"
    inner.mkdir(parents=True)
    (inner / "cgroup.procs").write_text(f"{victim.pid}\n")
    (inner.parent / "cgroup.procs").write_text("")
    (inner.parent / "freezer.state").write_text("FROZEN\n")
    yield Cgroup(inner.parent, v2=False), tracer
    for process in (tracer, victim):
        process.kill()
        process.wait()


def test_the_agent_finds_it(traced: tuple[Cgroup, subprocess.Popen[str]]) -> None:
    cgroup, tracer = traced
    assert thaw.tracers(cgroup) == {tracer.pid}


def test_the_dead_man_ends_it_before_the_thaw(
    traced: tuple[Cgroup, subprocess.Popen[str]], tmp_path: Path
) -> None:
    cgroup, tracer = traced
    folder = tmp_path / "attempt"
    folder.mkdir()
    deadman.arm(Host("", enter=False), str(folder), cgroup, 1, str(tmp_path / "hold"))
    deadline = time.monotonic() + 15
    while not (folder / "deadman.rc").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not processes.alive(tracer.pid)
    assert fate.read_fate(str(folder)) == fate.THAWED
    assert (cgroup.folder / "freezer.state").read_text().strip() == "THAWED"
