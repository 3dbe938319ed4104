"""A step shows that it is alive, tells why it failed, and does not outlive its caller."""

import multiprocessing
import os
from pathlib import Path

import pytest

from podferry.lab.parts import PartsError, steps


def test_a_step_says_when_it_is_done() -> None:
    lines: list[str] = []
    steps.run(["true"], what="thing", progress=lines.append)
    assert len(lines) == 1
    assert lines[0].startswith("thing: done in ")


def test_a_long_step_shows_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "ALIVE_SECONDS", 0.05)
    lines: list[str] = []
    steps.run(["sleep", "0.3"], what="thing", progress=lines.append)
    assert lines[0].startswith("thing: running for ")
    assert lines[-1].startswith("thing: done in ")


def test_a_failed_step_tells_its_last_words_and_what_to_do() -> None:
    lines: list[str] = []
    with pytest.raises(PartsError, match=r"thing: `sh` ended with 3 .* no such mirror; .*again"):
        steps.run(
            ["sh", "-c", "echo no such mirror >&2; exit 3"], what="thing", progress=lines.append
        )
    assert lines == []


def _run_a_long_step(fifo: Path) -> None:
    steps.run(["sh", "-c", f"exec 3>{fifo}; exec sleep 300"], what="x", progress=lambda line: None)


def test_a_step_ends_when_its_caller_is_killed(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    caller = multiprocessing.get_context("fork").Process(target=_run_a_long_step, args=(fifo,))
    caller.start()
    with open(fifo, "rb") as held:  # opens once the step has its end open
        caller.kill()
        caller.join()
        # the end of file comes when the last process that holds the other end is gone
        assert held.read() == b""
