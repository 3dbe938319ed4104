"""Layouts are read from files recorded on real machines; what is done follows from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.lab.cluster import cgroups
from podferry.lab.cluster.cgroups import Layout, NoCgroups, Op

RECORDED = Path(__file__).parent / "recorded"


def layout(mounts: str, groups: str) -> Layout:
    return cgroups.detect(
        (RECORDED / f"{mounts}.mountinfo").read_text(), (RECORDED / f"{groups}.cgroups").read_text()
    )


def test_a_machine_with_v1_controllers_and_an_empty_cgroup2_is_v1() -> None:
    found = layout("v1", "v1")
    assert found.version == 1
    assert {m.path.rpartition("/")[2] for m in found.mounts} == {
        *cgroups.V1_NEEDED,
        "systemd",
        "unified",
    }


def test_a_machine_whose_controllers_have_hierarchy_0_is_v2() -> None:
    found = layout("v2", "v2")
    assert found.version == 2
    assert [m.path for m in found.mounts] == ["/sys/fs/cgroup"]


def test_joined_v1_controllers_are_one_hierarchy_and_part_mounts_are_none() -> None:
    found = layout("hybrid", "v1")
    paths = [m.path for m in found.mounts]
    assert "/sys/fs/cgroup/cpu,cpuacct" in paths
    assert "/sys/fs/cgroup/net_cls,net_prio" not in paths
    assert "/mnt/memory" not in paths


def test_a_missing_v1_controller_is_named() -> None:
    text = (RECORDED / "v1.mountinfo").read_text()
    without = "\n".join(line for line in text.splitlines() if "freezer" not in line)
    with pytest.raises(NoCgroups, match="freezer"):
        cgroups.detect(without, (RECORDED / "v1.cgroups").read_text())


def test_a_machine_without_any_cgroup_mount_is_told_what_to_mount() -> None:
    with pytest.raises(NoCgroups, match="cgroup2"):
        cgroups.detect("", (RECORDED / "v2.cgroups").read_text())


def test_v1_gives_a_cpuset_its_cpus_before_any_process_joins() -> None:
    ops = cgroups.create(layout("v1", "v1"), "lab-x/node-a", None)
    root = "/sys/fs/cgroup/cpuset"
    wanted = [
        Op("mkdir", f"{root}/lab-x"),
        Op("copy", f"{root}/lab-x/cpuset.cpus", f"{root}/cpuset.cpus"),
        Op("copy", f"{root}/lab-x/cpuset.mems", f"{root}/cpuset.mems"),
        Op("mkdir", f"{root}/lab-x/node-a"),
        Op("copy", f"{root}/lab-x/node-a/cpuset.cpus", f"{root}/cpuset.cpus"),
        Op("copy", f"{root}/lab-x/node-a/cpuset.mems", f"{root}/cpuset.mems"),
    ]
    assert [op for op in ops if op.path.startswith(root)] == wanted


def test_v1_limits_memory_once_and_only_when_asked() -> None:
    where = layout("v1", "v1")
    limit = Op("write", "/sys/fs/cgroup/memory/lab-x/node-a/memory.limit_in_bytes", "1024")
    assert [op for op in cgroups.create(where, "lab-x/node-a", 1024) if op.kind == "write"] == [
        limit
    ]
    assert not [op for op in cgroups.create(where, "lab-x/node-a", None) if op.kind == "write"]


def test_v2_hands_controllers_down_before_the_box_is_made_and_limits_swap_too() -> None:
    ops = cgroups.create(layout("v2", "v2"), "lab-x/node-a", 1024)
    root, enable = "/sys/fs/cgroup", "+cpu +cpuset +io +memory +pids"
    assert ops == [
        Op("mkdir", f"{root}/lab-x"),
        Op("write", f"{root}/cgroup.subtree_control", enable),
        Op("write", f"{root}/lab-x/cgroup.subtree_control", enable),
        Op("mkdir", f"{root}/lab-x/node-a"),
        Op("write", f"{root}/lab-x/node-a/memory.max", "1024"),
        Op("write", f"{root}/lab-x/node-a/memory.swap.max", "0"),
    ]


def test_v2_moves_the_outer_process_out_of_the_way_and_v1_does_not() -> None:
    folder = "/sys/fs/cgroup/lab-x/node-a/outer"
    assert cgroups.outer(layout("v2", "v2"), "lab-x/node-a", 42) == [
        Op("mkdir", folder),
        Op("write", f"{folder}/cgroup.procs", "42"),
    ]
    assert cgroups.outer(layout("v1", "v1"), "lab-x/node-a", 42) == []


def test_inside_a_v1_box_every_hierarchy_is_mounted_again() -> None:
    lines = cgroups.inside(layout("hybrid", "v1"))
    assert "mount -t cgroup -o cpu,cpuacct cgroup /sys/fs/cgroup/cpu,cpuacct" in lines
    assert "mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd" in lines
    assert "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified" in lines


def test_inside_a_v2_box_pid_1_leaves_the_group_before_it_hands_controllers_down() -> None:
    text = "\n".join(cgroups.inside(layout("v2", "v2")))
    assert text.index("init/cgroup.procs") < text.index("cgroup.subtree_control")


@pytest.mark.parametrize(
    ("effective", "has"), [("000001fffeffffff", False), ("000001ffffffffff", True), ("0", False)]
)
def test_cap_sys_resource_is_bit_24_of_the_effective_set(effective: str, has: bool) -> None:
    status = f"Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t{effective}\n"
    assert cgroups.has_sys_resource(status) is has
