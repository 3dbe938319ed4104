"""The dead-man's real script on files: it acts only by winning FATE."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podferry.agent.ops import deadman, fate, processes
from podferry.agent.ops.freezer import Cgroup
from podferry.agent.ops.host import Host

HOST = Host("", enter=False)


class Source:
    """A frozen source: an attempt folder, a freezer of files, a hold marker."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "attempt"
        self.group = root / "freezer"
        self.hold = root / "hold"
        self.folder.mkdir()
        self.group.mkdir()
        self.hold.touch()
        self.state("FROZEN")

    def state(self, word: str) -> None:
        (self.group / "freezer.state").write_text(f"{word}\n")

    def arm(self, seconds: int, *, v2: bool = False) -> None:
        cgroup = Cgroup(self.group, v2=v2)
        deadman.arm(HOST, str(self.folder), cgroup, seconds, str(self.hold))

    def frozen(self) -> bool:
        return (self.group / "freezer.state").read_text().strip() == "FROZEN"

    def rc(self) -> str:
        """Exit code of the dead-man once it has ended."""
        until((self.folder / "deadman.rc").exists)
        return (self.folder / "deadman.rc").read_text().strip()

    def pid(self) -> int:
        return int((self.folder / "deadman.pid").read_text())


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come true within 10 s"
        time.sleep(0.01)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Source]:
    found = Source(tmp_path)
    yield found
    if (found.folder / "deadman.pid").exists():
        deadman.disarm(HOST, str(found.folder))


def test_an_unsealed_source_is_thawed_and_its_fate_is_thawed(source: Source) -> None:
    source.arm(1)
    assert source.rc() == "0"
    assert fate.read_fate(str(source.folder)) == fate.THAWED
    assert not source.frozen()
    assert not source.hold.exists()
    assert fate.claim_fate(str(source.folder), fate.SEALED) == fate.THAWED


def test_on_cgroup_v2_it_writes_the_other_file(source: Source) -> None:
    (source.group / "cgroup.freeze").write_text("1")
    source.arm(0, v2=True)
    assert source.rc() == "0"
    assert (source.group / "cgroup.freeze").read_text().strip() == "0"
    assert source.frozen()


def test_a_sealed_source_is_never_touched(source: Source) -> None:
    assert fate.claim_fate(str(source.folder), fate.SEALED) == fate.SEALED
    source.arm(0)
    assert source.rc() == "0"
    assert fate.read_fate(str(source.folder)) == fate.SEALED
    assert source.frozen()
    assert source.hold.exists()


def test_before_its_time_it_does_nothing_and_disarmed_it_is_gone(source: Source) -> None:
    source.arm(3600)
    pid = source.pid()
    until(lambda: "podferry-deadman" in processes.command_line(pid))
    deadman.disarm(HOST, str(source.folder))
    assert not processes.alive(pid)
    assert source.frozen()
    assert fate.read_fate(str(source.folder)) == ""


def test_it_ends_by_itself_once_the_source_is_sealed(source: Source) -> None:
    source.arm(3600)
    fate.claim_fate(str(source.folder), fate.SEALED)
    assert source.rc() == "0"
    assert source.frozen()


def test_a_dump_that_still_runs_is_ended_before_the_thaw(source: Source) -> None:
    folder = str(source.folder)
    files = (f"{folder}/dump.{name}" for name in ("out", "pid", "rc"))
    pid = HOST.spawn_detached(["sh", "-c", "sleep 63; :", folder], *files)
    source.arm(0)
    assert source.rc() == "0"
    assert not processes.alive(pid)
    assert not source.frozen()


def test_a_stranger_with_the_pid_of_the_dump_is_left_alone(source: Source) -> None:
    elsewhere = source.folder.with_name("elsewhere")
    elsewhere.mkdir()
    files = (f"{elsewhere}/{name}" for name in ("out", "pid", "rc"))
    pid = HOST.spawn_detached(["sleep", "64"], *files)
    until(lambda: processes.command_line(pid).startswith("sleep"))
    (source.folder / "dump.pid").write_text(f"{pid}\n")
    try:
        source.arm(0)
        assert source.rc() == "0"
        assert processes.alive(pid)
    finally:
        processes.end_tree(pid, "sleep 64")


def test_a_source_that_is_gone_ends_it_without_an_error(source: Source) -> None:
    for file in source.group.iterdir():
        file.unlink()
    source.group.rmdir()
    source.arm(0)
    assert source.rc() == "0"


def test_what_was_frozen_beside_it_wakes_too_also_where_the_workload_is_gone(
    source: Source, tmp_path: Path
) -> None:
    beside, hold = tmp_path / "beside", tmp_path / "hold-beside"
    beside.mkdir()
    hold.touch()
    (beside / "freezer.state").write_text("FROZEN\n")
    for file in source.group.iterdir():
        file.unlink()
    source.group.rmdir()
    deadman.arm(
        HOST,
        str(source.folder),
        Cgroup(source.group, v2=False),
        0,
        str(source.hold),
        beside=[(Cgroup(beside, v2=False), str(hold))],
    )
    assert source.rc() == "0"
    assert (beside / "freezer.state").read_text().strip() == "THAWED"
    assert not hold.exists()
