"""Which process is believed to be kubelet, and how its files are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from podferry.agent.memory import kubelet
from podferry.agent.memory.thresholds import Thresholds

MIB = 1 << 20
CONFIG = "kind: KubeletConfiguration\nevictionHard:\n  memory.available: {}\n"


class Proc:
    """A /proc in a folder; every process has the node's files as its root unless told."""

    def __init__(self, path: Path) -> None:
        self.path, self.files = path / "proc", path / "files"
        self.files.mkdir()
        self.add(1, ["/sbin/init"])

    def add(self, pid: int, argv: list[str], *, pids: str = "node", mounts: str = "node") -> None:
        folder = self.path / str(pid)
        (folder / "ns").mkdir(parents=True)
        (folder / "cmdline").write_bytes(b"".join(each.encode() + b"\0" for each in argv))
        name = Path(argv[0]).name
        fields = " ".join(["S", *["0"] * 18, str(pid * 100), "0"])
        (folder / "stat").write_text(f"{pid} ({name}) {fields}\n")
        (folder / "root").symlink_to(self.files)
        (folder / "cwd").symlink_to("/")
        (folder / "ns" / "pid").symlink_to(f"pid:[{pids}]")
        (folder / "ns" / "mnt").symlink_to(f"mnt:[{mounts}]")

    def write(self, path: str, text: str) -> None:
        place = self.files / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def read(self) -> Thresholds:
        found = kubelet.find(str(self.path))
        return kubelet.read(str(self.path), found, 3072 * MIB)


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


@pytest.mark.parametrize(
    "argv",
    [
        ["--config=/etc/k.yaml"],
        ["--v", "2", "--config", "/etc/k.yaml"],
        ["--config=/old.yaml", "--config=etc/k.yaml"],
        ["--config=/etc/link.yaml"],
    ],
)
def test_its_file_is_read_through_its_own_root(proc: Proc, argv: list[str]) -> None:
    proc.write("/etc/k.yaml", CONFIG.format("222Mi"))
    (proc.files / "etc" / "link.yaml").symlink_to("/etc/k.yaml")  # absolute: in that root
    proc.add(200, ["/usr/bin/kubelet", *argv])
    assert proc.read().hard == 222 * MIB


def test_drop_ins_are_read_in_order_and_other_files_are_not(proc: Proc) -> None:
    proc.write("/etc/k.yaml", CONFIG.format("1Mi"))
    proc.write("/etc/d/10-a.conf", CONFIG.format("2Mi"))
    proc.write("/etc/d/20/b.conf", CONFIG.format("3Mi"))
    proc.write("/etc/d/30.yaml", CONFIG.format("4Mi"))
    proc.add(200, ["kubelet", "--config=/etc/k.yaml", "--config_dir=/etc/d/"])
    found = proc.read()
    assert (found.hard, found.source) == (3 * MIB, "/etc/d/20/b.conf")


def test_flags_win(proc: Proc) -> None:
    proc.write("/etc/k.yaml", CONFIG.format("1Mi"))
    proc.add(
        200,
        [
            "kubelet",
            "--eviction-hard=nodefs.available<5%",
            "--config=/etc/k.yaml",
            "--eviction-hard",
            "memory.available<64Mi",
            "--eviction-soft=memory.available<128Mi",
        ],
    )
    found = proc.read()
    assert (found.hard, found.soft) == (64 * MIB, 128 * MIB)
    assert found.source == "--eviction-hard of kubelet"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("evictionHard: [1, 2", "unknown: while parsing"),
        ("evictionHard: 7", "unknown: /etc/k.yaml: evictionHard is '7', not a map"),
        ("- a", "unknown: /etc/k.yaml is not a KubeletConfiguration"),
        ("", "unknown: /etc/k.yaml is not a KubeletConfiguration"),
        (None, "No such file or directory"),
        (CONFIG.format("lots"), 'unknown: size "lots" cannot be read'),
    ],
)
def test_what_cannot_be_read_is_unknown_with_the_reason(
    proc: Proc, text: str | None, why: str
) -> None:
    if text is not None:
        proc.write("/etc/k.yaml", text)
    proc.add(200, ["kubelet", "--config=/etc/k.yaml"])
    found = proc.read()
    assert found.hard == 100 * MIB
    assert found.source.startswith("unknown: ")
    assert why in found.source


def test_a_circle_of_links_is_unknown(proc: Proc) -> None:
    (proc.files / "a").symlink_to("/b")
    (proc.files / "b").symlink_to("/a")
    proc.add(200, ["kubelet", "--config=/a"])
    assert "too many symbolic links" in proc.read().source


def test_a_workloads_process_of_that_name_is_not_believed(proc: Proc) -> None:
    proc.add(200, ["kubelet", "--eviction-hard=memory.available<9Gi"], pids="pod", mounts="pod")
    with pytest.raises(kubelet.NotFound, match="no process of this node is called kubelet"):
        kubelet.find(str(proc.path))
    proc.add(300, ["/usr/bin/kubelet"])
    assert kubelet.find(str(proc.path)).pid == 300


def test_the_one_with_the_nodes_files_goes_before_others(proc: Proc) -> None:
    proc.add(200, ["kubelet"], mounts="unit")
    assert kubelet.find(str(proc.path)).pid == 200
    proc.add(300, ["kubelet"])
    assert kubelet.find(str(proc.path)).pid == 300
    proc.add(400, ["kubelet"])
    with pytest.raises(kubelet.NotFound, match="2 processes of this node are called kubelet"):
        kubelet.find(str(proc.path))


def test_another_process_under_its_number_is_another_kubelet(proc: Proc) -> None:
    proc.add(200, ["kubelet"])
    found = kubelet.find(str(proc.path))
    assert kubelet.still(str(proc.path), found)
    stat = proc.path / "200" / "stat"
    stat.write_text(stat.read_text().replace("20000", "20001"))
    assert not kubelet.still(str(proc.path), found)
    stat.unlink()
    assert not kubelet.still(str(proc.path), found)
