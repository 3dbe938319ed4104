"""What a frozen process would die of once it is thawed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from podferry.agent.ops import signals

TERM, KILL, HUP = 1 << 14, 1 << 8, 1


def status(proc: Path, pid: int, own: int, shared: int, blocked: int) -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "status").write_text(
        f"Name:\tx\nSigPnd:\t{own:016x}\nShdPnd:\t{shared:016x}\nSigBlk:\t{blocked:016x}\n"
    )


@pytest.mark.parametrize(
    ("own", "shared", "blocked", "found"),
    [
        (0, 0, 0, ""),
        (0, TERM, 0, "SIGTERM"),
        (KILL, 0, 0, "SIGKILL"),
        (0, TERM, TERM, ""),  # the program blocks it by itself
        (HUP, HUP, 0, ""),
    ],
)
def test_term_and_kill_count_unless_they_are_blocked(
    tmp_path: Path, own: int, shared: int, blocked: int, found: str
) -> None:
    status(tmp_path, 1, 0, 0, 0)
    status(tmp_path, 2, own, shared, blocked)
    assert signals.told_to_end([1, 2, 3], tmp_path) == found


def test_the_kernel_s_own_words_are_read() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        child.send_signal(signal.SIGSTOP)
        while "State:\tT" not in Path(f"/proc/{child.pid}/status").read_text():
            pass
        assert signals.told_to_end([child.pid]) == ""
        child.send_signal(signal.SIGTERM)
        assert signals.told_to_end([child.pid]) == "SIGTERM"
    finally:
        child.kill()
        child.wait()
