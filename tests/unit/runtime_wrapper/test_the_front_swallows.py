"""Kills of a frozen source and the start of a restored container end at the front."""

from __future__ import annotations

import pytest

from tests.unit.runtime_wrapper.conftest import Sandbox


@pytest.mark.parametrize(
    "argv", [["kill", "c1", "15"], ["kill", "--all", "c1", "9"], ["delete", "--force", "c1"]]
)
def test_kill_and_delete_of_a_held_container_answer_0_and_are_noted(
    box: Sandbox, argv: list[str]
) -> None:
    hold = box.run_dir / "hold/c1"
    hold.touch()
    full = ["--root", "/r", *argv]
    assert box.call(*full)[0] == 0
    assert box.call(*full)[0] == 0
    assert box.calls() == []
    assert hold.read_text() == f"{' '.join(full)}\n" * 2


def test_another_container_is_killed_as_ever(box: Sandbox) -> None:
    (box.run_dir / "hold/c1").touch()
    assert box.call("kill", "c2", "9")[0] == 0
    assert box.calls() == [["kill", "c2", "9"]]


def test_other_calls_of_a_held_container_pass(box: Sandbox) -> None:
    (box.run_dir / "hold/c1").touch()
    box.call("state", "c1")
    assert box.calls() == [["state", "c1"]]


def test_the_start_of_a_restored_container_does_nothing_once(box: Sandbox) -> None:
    (box.run_dir / "restored/c1").touch()
    assert box.call("--root", "/r", "start", "c1")[0] == 0
    assert box.calls() == []
    assert box.call("--root", "/r", "start", "c1")[0] == 0
    assert box.calls() == [["--root", "/r", "start", "c1"]]
