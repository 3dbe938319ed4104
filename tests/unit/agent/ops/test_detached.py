"""Processes that outlive the agent: really started, found again by their files, ended by proof."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podferry.agent.ops import processes
from podferry.agent.ops.host import Host


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come true within 10 s"
        time.sleep(0.005)


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Start something detached in tmp_path; what still runs is ended."""
    pids: list[int] = []

    def start(*argv: str, env: dict[str, str] | None = None) -> int:
        files = (f"/{name}" for name in ("out", "pid", "rc"))
        host = Host("", enter=False)
        pids.append(host.spawn_detached(argv, *(f"{tmp_path}{f}" for f in files), env=env))
        return pids[-1]

    yield start
    for pid in pids:
        processes.end_tree(pid, processes.command_line(pid))


def test_its_exit_code_and_output_are_left_in_files(
    tmp_path: Path, spawn: Callable[..., int]
) -> None:
    pid = spawn("sh", "-c", "echo $WORD; exit 7", env={"WORD": "a b"})
    assert int((tmp_path / "pid").read_text()) == pid
    until((tmp_path / "rc").exists)
    assert (tmp_path / "rc").read_text() == "7\n"
    assert (tmp_path / "out").read_text() == "a b\n"


def test_the_pid_is_that_of_the_program_in_a_session_that_is_not_ours(
    tmp_path: Path, spawn: Callable[..., int]
) -> None:
    pid = spawn("sleep", "60")
    until(lambda: "sleep 60" in processes.command_line(pid))
    assert os.getsid(pid) != os.getsid(0)
    assert not (tmp_path / "rc").exists()


def test_the_rc_of_an_earlier_process_does_not_speak_for_a_new_one(
    tmp_path: Path, spawn: Callable[..., int]
) -> None:
    (tmp_path / "rc").write_text("0\n")
    spawn("sleep", "60")
    assert not (tmp_path / "rc").exists()


def test_a_tree_is_ended_with_its_children_and_the_rc_tells_of_the_kill(
    tmp_path: Path, spawn: Callable[..., int]
) -> None:
    pid = spawn("sh", "-c", "sleep 61 & sleep 62; :", str(tmp_path))
    until(lambda: len(processes.children(pid)) == 2)
    family = [pid, *processes.children(pid)]
    assert processes.end_tree(pid, str(tmp_path))
    assert not any(processes.alive(item) for item in family)
    until((tmp_path / "rc").exists)
    assert (tmp_path / "rc").read_text() == "137\n"


def test_what_cannot_be_proven_ours_is_left_alone() -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        assert processes.end_tree(stranger.pid, "/var/lib/podferry/attempts/1")
        assert processes.alive(stranger.pid)
    finally:
        stranger.kill()
        stranger.wait()


def test_a_process_that_is_gone_counts_as_ended() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert not processes.alive(gone.pid)
    assert processes.end_tree(gone.pid, "true")


def test_a_zombie_does_not_count_as_alive() -> None:
    child = subprocess.Popen(["true"])
    try:
        until(lambda: Path(f"/proc/{child.pid}/stat").read_text().split()[2] == "Z")
        assert not processes.alive(child.pid)
    finally:
        child.wait()


def test_a_program_that_takes_too_long_is_answered_with_124() -> None:
    done = Host("", enter=False).run(["sleep", "60"], timeout=0.05)
    assert (done.returncode, done.stderr) == (124, "sleep did not end within 0 s")


def test_on_a_node_every_program_runs_in_the_namespaces_of_process_1() -> None:
    found = Host().argv(["runc", "list"])
    assert found[:3] == ["nsenter", "-t", "1"]
    assert found[-2:] == ["runc", "list"]
    assert any(word.startswith("PATH=") for word in found)


def test_a_process_that_keeps_forking_leaves_nothing_behind(
    tmp_path: Path, spawn: Callable[..., int]
) -> None:
    mark = f"PODFERRY_TEST={tmp_path}"

    def family() -> list[int]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue
            if mark.encode() in environment and processes.alive(int(folder.name)):
                found.append(int(folder.name))
        return found

    script = "i=0; while [ $i -lt 300 ]; do sleep 20 & i=$((i + 1)); done; wait"
    pid = spawn("sh", "-c", script, str(tmp_path), env={"PODFERRY_TEST": str(tmp_path)})
    until(lambda: len(family()) > 20)
    assert processes.end_tree(pid, str(tmp_path))
    assert family() == []
