"""A recorded process is only ever ended when it is still the very same one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from podferry.lab.cluster import state as states
from podferry.lab.cluster.errors import LabError
from podferry.lab.cluster.model import Lab, nodes
from podferry.lab.cluster.proc import Process
from podferry.lab.cluster.state import State


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def example(lab: Lab, **processes: Process) -> State:
    return State(
        name=lab.name,
        phase="up",
        node_count=2,
        node_memory=1 << 30,
        port=1,
        node_root="/n",
        bin_dir="/b",
        images_dir="/i",
        boot=states.boot_id(),
        processes=processes,
    )


def test_a_process_with_our_pid_but_another_start_is_left_alone(
    sleeper: subprocess.Popen[bytes],
) -> None:
    found = Process.of(sleeper.pid)
    assert found is not None
    replace(found, start=found.start - 1).kill()
    assert sleeper.poll() is None


def test_the_recorded_process_is_ended(sleeper: subprocess.Popen[bytes]) -> None:
    found = Process.of(sleeper.pid)
    assert found is not None
    found.kill()
    assert sleeper.wait(timeout=5) == -9
    assert not found.alive()


def test_a_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    lab = Lab("x", tmp_path)
    state = example(lab, control=Process(pid=1, start=2))
    state.save(lab)
    assert State.load(lab) == state


def test_after_a_reboot_no_recorded_process_counts(tmp_path: Path) -> None:
    lab = Lab("x", tmp_path)
    example(lab, control=Process(pid=1, start=2)).save(lab)
    data = json.loads(lab.state_file.read_text())
    lab.state_file.write_text(json.dumps({**data, "boot": "another"}))
    loaded = State.load(lab)
    assert loaded is not None
    assert loaded.processes == {}


def test_a_state_file_that_was_cut_off_reads_as_none(tmp_path: Path) -> None:
    lab = Lab("x", tmp_path)
    lab.home.mkdir()
    lab.state_file.write_text('{"name": "x", "pha')
    assert State.load(lab) is None


def test_a_lab_that_is_not_running_is_told_with_the_command_that_starts_it(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="podferry lab up --name x"):
        states.running(Lab("x", tmp_path))


def test_an_unknown_node_is_told_with_the_known_ones() -> None:
    with pytest.raises(LabError, match="node-a, node-b"):
        states.node_named(nodes(2), "node-z")


def test_a_second_up_is_kept_out_while_one_is_at_work(tmp_path: Path) -> None:
    lab = Lab("x", tmp_path / "labs")
    with (
        states.locked(lab),
        pytest.raises(LabError, match="wait for it"),
        states.locked(lab),
    ):
        raise AssertionError("not reached")
    assert not lab.root.exists()
