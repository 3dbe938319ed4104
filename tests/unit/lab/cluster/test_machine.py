"""What is read from a machine before and after a lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.lab.cluster import machine, sysctls
from podferry.lab.cluster.errors import LabError
from podferry.lab.cluster.model import Lab

INFO = """\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
50 22 7:0 / /l/x/boxes/a rw - ext4 /dev/loop0 rw
51 50 7:0 / /l/x/boxes/a/deep rw - ext4 /dev/loop0 rw
52 22 7:1 / /l/x2/boxes/a rw - ext4 /dev/loop1 rw
"""


def test_mounts_of_a_lab_are_listed_deepest_first_and_no_other_labs() -> None:
    assert machine.mounts_below(Path("/l/x"), INFO) == ["/l/x/boxes/a/deep", "/l/x/boxes/a"]


def test_available_memory_is_in_bytes() -> None:
    assert machine.available_memory("MemTotal: 9 kB\nMemAvailable:   2 kB\n") == 2048


def test_too_little_memory_is_refused_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"need \d+ MiB, \d+ MiB are available"):
        machine.check(Lab("x", tmp_path), nodes=9, node_memory=1 << 50)


def test_a_missing_tool_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "TOOLS", ("sh", "no-such-tool"))
    with pytest.raises(LabError, match="no-such-tool"):
        machine.check(Lab("x", tmp_path), nodes=1, node_memory=1 << 30)


def test_a_lab_whose_state_is_elsewhere_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "CLAIMS", tmp_path / "claims")
    first, second = Lab("x", tmp_path / "one"), Lab("x", tmp_path / "two")
    first.home.mkdir(parents=True)
    first.state_file.write_text("{}")
    machine.claim_home(first)
    machine.check_home(first)
    with pytest.raises(LabError, match="has its state in"):
        machine.check_home(second)
    machine.release_home(first)
    machine.check_home(second)
    assert not (tmp_path / "claims").exists()


def test_a_cut_off_note_of_kernel_settings_stops_no_lab(tmp_path: Path) -> None:
    lab = Lab("x", tmp_path)
    (tmp_path / ".sysctls.json").write_text("")
    (tmp_path / "sys/kernel").mkdir(parents=True)
    (tmp_path / "sys/kernel/panic").write_text("1")
    sysctls.prepare(lab, tmp_path / "sys")
    assert '"kernel/panic": "1"' in (tmp_path / ".sysctls.json").read_text()


def test_kernel_settings_come_back_after_the_last_lab_only(tmp_path: Path) -> None:
    proc = tmp_path / "sys"
    for name, value in {"kernel/panic": "1", sysctls.PIPE: "1048576"}.items():
        (proc / name).parent.mkdir(parents=True, exist_ok=True)
        (proc / name).write_text(value)
    first, second = Lab("x", tmp_path / "labs"), Lab("y", tmp_path / "labs")
    second.home.mkdir(parents=True)
    second.state_file.write_text("{}")
    sysctls.prepare(first, proc)
    assert (proc / sysctls.PIPE).read_text() == str(sysctls.RAISED[sysctls.PIPE])
    (proc / "kernel/panic").write_text("10")
    sysctls.restore(first, proc)
    assert (proc / "kernel/panic").read_text() == "10"
    second.state_file.unlink()
    sysctls.restore(second, proc)
    assert (proc / "kernel/panic").read_text() == "1"
    assert (proc / sysctls.PIPE).read_text() == "1048576"
