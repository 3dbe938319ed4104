"""Where a process's freezer is, and what is believed of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent.ops.freezer import Cgroup, freezer_path

V1 = """\
12:freezer:/kubepods/besteffort/pod1/c1
11:memory:/kubepods/besteffort/pod1/c1
2:cpu,cpuacct:/elsewhere
1:name=systemd:/kubepods/c1
0::/kubepods/c1
"""
V2 = "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-c1.scope\n"
HYBRID_TOGETHER = "5:devices,freezer:/kubepods/c1\n0::/user.slice\n"


@pytest.mark.parametrize(
    ("table", "path", "v2"),
    [
        (V1, "/sys/fs/cgroup/freezer/kubepods/besteffort/pod1/c1", False),
        (V2, "/sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice/cri-containerd-c1.scope", True),
        (HYBRID_TOGETHER, "/sys/fs/cgroup/freezer/kubepods/c1", False),
        ("0::/a:b\n", "/sys/fs/cgroup/a:b", True),
    ],
    ids=["v1", "v2", "hybrid", "colon"],
)
def test_the_freezer_of_a_recorded_table(table: str, path: str, v2: bool) -> None:
    assert freezer_path(table) == (path, v2)


@pytest.mark.parametrize(("state", "frozen"), [("FROZEN", True), ("FREEZING", False)])
def test_freezing_is_not_frozen_on_v1(tmp_path: Path, state: str, frozen: bool) -> None:
    (tmp_path / "freezer.state").write_text(f"{state}\n")
    assert Cgroup(tmp_path, v2=False).is_frozen() is frozen


@pytest.mark.parametrize(("events", "frozen"), [("frozen 1", True), ("frozen 0", False)])
def test_v2_is_believed_by_its_events_not_by_what_was_asked(
    tmp_path: Path, events: str, frozen: bool
) -> None:
    (tmp_path / "cgroup.freeze").write_text("1")
    (tmp_path / "cgroup.events").write_text(f"populated 1\n{events}\n")
    assert Cgroup(tmp_path, v2=True).is_frozen() is frozen


def test_a_group_that_is_gone_is_not_frozen_and_cannot_be(tmp_path: Path) -> None:
    gone = Cgroup(tmp_path / "gone", v2=False)
    assert (gone.exists(), gone.is_frozen(), gone.freeze(), gone.pids()) == (False,) * 3 + ([],)


def test_an_empty_group_counts_as_killed(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").write_text("")
    assert Cgroup(tmp_path, v2=False).kill()


def test_the_tasks_of_nested_groups_count(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "cgroup.procs").write_text("20\n10\n")
    (tmp_path / "inner/cgroup.procs").write_text("30\n10\n")
    assert Cgroup(tmp_path, v2=False).pids() == [10, 20, 30]
