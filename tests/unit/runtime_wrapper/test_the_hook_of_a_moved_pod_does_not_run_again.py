"""kubelet's first call of the postStart hook in a restored container is answered, nothing runs."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from podferry.runtime_wrapper import skip_hook
from tests.unit.runtime_wrapper.conftest import ATTEMPT, POD, Sandbox, until

HOOK = ["/warm", "up it", "$HOME"]


def config(box: Sandbox) -> None:
    hooks = json.dumps({"app": HOOK, "other": ["x"]})
    box.config(restore=ATTEMPT, **{"restore-hooks": hooks})
    place = box.bundle / "config.json"
    raw = json.loads(place.read_text())
    raw["annotations"]["io.kubernetes.cri.container-name"] = "app"
    place.write_text(json.dumps(raw))


@pytest.fixture
def restored(box: Sandbox) -> Sandbox:
    """Container c1 of a pod with a hook, restored and started."""
    config(box)
    box.plan("restore", "replacement")
    box.frozen_group()
    assert box.create("c1")[0] == 0
    assert box.call("start", "c1")[0] == 0
    return box


def exec_argv(box: Sandbox, *command: str, identity: str = "c1") -> list[str]:
    """The command line that containerd 2.x sends for an exec."""
    process = box.root / "process.json"
    process.write_text(json.dumps({"args": list(command), "cwd": "/"}))
    return [
        *("--root", "/run/containerd/runc/k8s.io", "--log", str(box.runc_log)),
        *("--log-format", "json", "exec", "--process", str(process), "--detach"),
        *("--pid-file", str(box.root / "exec.pid"), identity),
    ]


def armed(box: Sandbox) -> Path:
    return box.run_dir / "hook/c1"


def test_it_ends_with_success_and_runc_is_not_called(restored: Sandbox) -> None:
    before = time.time()
    assert restored.call(*exec_argv(restored, *HOOK)) == (0, "")
    assert restored.asked("exec") == []
    note = restored.read("hook-replacement.json")
    assert (note["containerID"], note["command"]) == ("c1", HOOK)
    assert note["at"] >= before


def test_containerd_finds_a_process_that_ends_by_itself(restored: Sandbox) -> None:
    restored.call(*exec_argv(restored, *HOOK))
    process = int((restored.root / "exec.pid").read_text())
    until(lambda: not Path(f"/proc/{process}/cwd").exists())


def test_the_second_call_runs(restored: Sandbox) -> None:
    argv = exec_argv(restored, *HOOK)
    for _ in range(2):
        assert restored.call(*argv)[0] == 0
    assert restored.asked("exec") == [argv]


@pytest.mark.parametrize("command", [HOOK[:2], [*HOOK, "x"], ["/warm", "up", "it", "$HOME"], []])
def test_any_other_command_runs_and_leaves_the_answer_to_the_hook(
    restored: Sandbox, command: list[str]
) -> None:
    argv = exec_argv(restored, *command)
    assert restored.call(*argv)[0] == 0
    assert restored.asked("exec") == [argv]
    assert armed(restored).exists()
    assert not (restored.target() / "hook-replacement.json").exists()


def test_a_session_with_a_terminal_is_no_hook(restored: Sandbox) -> None:
    argv = exec_argv(restored, *HOOK)
    argv[-1:] = ["--console-socket", "/x", "c1"]
    assert restored.call(*argv)[0] == 0
    assert restored.asked("exec") == [argv]


def test_of_two_calls_at_once_the_one_that_takes_the_file_is_answered(restored: Sandbox) -> None:
    argv = exec_argv(restored, *HOOK)
    both = [skip_hook.is_hook(str(armed(restored)), argv) for _ in range(2)]
    pid_file = str(restored.root / "exec.pid")
    assert [skip_hook.skip(str(armed(restored)), one or {}, pid_file) for one in both] == [
        True, False,
    ]  # fmt: skip


def test_a_call_long_after_the_restore_is_somebody_else_s(restored: Sandbox) -> None:
    order = json.loads(armed(restored).read_text())
    order["at"] -= 601
    armed(restored).write_text(json.dumps(order))
    argv = exec_argv(restored, *HOOK)
    assert restored.call(*argv)[0] == 0
    assert restored.asked("exec") == [argv]
    assert not armed(restored).exists()


def test_one_whose_attempt_cannot_be_written_is_answered_all_the_same(restored: Sandbox) -> None:
    order = json.loads(armed(restored).read_text())
    order["record"] = str(restored.root / "gone/hook.json")
    armed(restored).write_text(json.dumps(order))
    assert restored.call(*exec_argv(restored, *HOOK))[0] == 0
    assert restored.asked("exec") == []


def test_it_is_armed_before_the_agent_is_told_of_the_restore(restored: Sandbox) -> None:
    told = restored.target() / "restored-replacement.json"
    assert os.stat(armed(restored)).st_mtime_ns <= os.stat(told).st_mtime_ns


def test_a_container_that_is_deleted_leaves_nothing_armed(restored: Sandbox) -> None:
    restored.call("kill", "c1", "9")
    assert armed(restored).exists()
    restored.call("delete", "c1")
    assert not armed(restored).exists()
    assert len(restored.asked("delete")) == 1


def test_a_restart_after_the_move_arms_nothing(box: Sandbox) -> None:
    config(box)
    box.write("RESUMED", podUID=POD, containerID="c0", at=1)
    assert box.create("c1")[0] == 0
    argv = exec_argv(box, *HOOK)
    assert box.call(*argv)[0] == 0
    assert box.asked("exec") == [argv]


@pytest.mark.parametrize("note", ["[", '["x"]', '"x"'])
def test_a_note_that_cannot_be_read_starts_nothing(box: Sandbox, note: str) -> None:
    box.config(restore=ATTEMPT, **{"restore-hooks": note})
    box.plan("restore", "replacement")
    code, errors = box.create()
    assert code == 1
    assert errors.startswith("podferry: ")
    assert box.asked("restore") == []
