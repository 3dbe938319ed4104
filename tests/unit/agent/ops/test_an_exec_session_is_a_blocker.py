"""What `kubectl exec` brought in is not dumped: it is named, and waited for for a moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent.ops.probe import GUESTS_LEAVE_SECONDS, probe, settled

INIT, CHILD, ORPHAN, SESSION, BELOW_SESSION = 70, 71, 72, 80, 81
SHIM = 5


def process(
    root: Path, pid: int, parent: int, inner: int, name: str = "app", state: str = "S"
) -> None:
    (root / str(pid) / "fd").mkdir(parents=True)
    (root / str(pid) / "net").mkdir()
    (root / str(pid) / "status").write_text(
        f"NSpid:\t{pid}\t{inner}\n"
        f"Name:\t{name}\nState:\t{state} (x)\nPPid:\t{parent}\nTracerPid:\t0\n"
    )


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    process(tmp_path, INIT, SHIM, 1)
    process(tmp_path, CHILD, INIT, 7)
    process(tmp_path, ORPHAN, INIT, 9)
    return tmp_path


def test_the_tree_of_the_init_process_has_no_guest(proc: Path) -> None:
    assert probe([INIT, CHILD, ORPHAN], proc=proc)["ok"]


def test_an_exec_session_is_named_and_what_it_started_is_not_counted_twice(proc: Path) -> None:
    process(proc, SESSION, SHIM, 20, "bash")
    process(proc, BELOW_SESSION, SESSION, 21, "top")
    found = probe([INIT, CHILD, ORPHAN, SESSION, BELOW_SESSION], proc=proc)
    assert [item["reason"] for item in found["blockers"]] == ["ExecSession"]
    message = found["blockers"][0]["message"]
    assert "1 process(es)" in message
    assert "bash (pid 80 of the node)" in message
    assert "end that session" in message


def test_a_session_that_has_ended_and_waits_for_its_parent_is_none(proc: Path) -> None:
    process(proc, SESSION, SHIM, 20, "bash", "Z")
    assert probe([INIT, SESSION], proc=proc)["ok"]


def test_a_probe_of_kubelet_is_waited_for(proc: Path) -> None:
    process(proc, SESSION, SHIM, 20, "check")
    seen = iter([[INIT, SESSION], [INIT, SESSION], [INIT]])
    waits: list[float] = []
    found = settled(lambda: next(seen), proc=proc, clock=lambda: sum(waits), pause=waits.append)
    assert found["ok"]
    assert len(waits) == 2


def test_a_session_that_stays_blocks_after_the_wait(proc: Path) -> None:
    process(proc, SESSION, SHIM, 20, "bash")
    waits: list[float] = []
    found = settled(
        lambda: [INIT, SESSION], proc=proc, clock=lambda: sum(waits), pause=waits.append
    )
    assert not found["ok"]
    assert sum(waits) == pytest.approx(GUESTS_LEAVE_SECONDS, abs=0.1)


def test_any_other_blocker_is_not_waited_for(proc: Path) -> None:
    process(proc, SESSION, SHIM, 20, "bash")
    (proc / str(CHILD) / "fd/3").symlink_to("anon_inode:[io_uring]")
    waits: list[float] = []
    settled(lambda: [INIT, CHILD, SESSION], proc=proc, clock=lambda: 0.0, pause=waits.append)
    assert waits == []
