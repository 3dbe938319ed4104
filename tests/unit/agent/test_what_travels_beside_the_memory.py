"""Writable layer, /dev/shm and every emptyDir are sent: none of them is in a dump of the memory."""

from __future__ import annotations

from pathlib import Path

from podferry.agent import outgoing
from podferry.agent.containers import Bundle, Container
from podferry.agent.node import Node
from podferry.agent.ops.host import Host

POD = "/var/lib/kubelet/pods/u1"


def test_all_three_are_streams(tmp_path: Path) -> None:
    for name in ("data", "cache"):
        (tmp_path / f"{POD[1:]}/volumes/kubernetes.io~empty-dir/{name}").mkdir(parents=True)
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/1/mounts").write_text(
        "overlay /b/rootfs overlay rw,upperdir=/snap/7/fs 0 0\n"
    )
    config = {
        "annotations": {"io.kubernetes.cri.sandbox-uid": "u1"},
        "mounts": [
            {"destination": "/dev/shm", "source": "/run/sandbox/shm"},
            {"destination": "/etc/hosts", "source": f"{POD}/etc-hosts"},
        ],
    }
    node = Node(Host(str(tmp_path), enter=False))
    found = outgoing._streams(node, Container("c", "running", 1, Bundle("/b", config)))
    volumes = f"{tmp_path}{POD}/volumes/kubernetes.io~empty-dir"
    assert found == [
        ("rootfs", "upper", f"{tmp_path}/snap/7/fs"),
        ("shm", "shm", f"{tmp_path}/run/sandbox/shm"),
        ("volume", "cache", f"{volumes}/cache"),
        ("volume", "data", f"{volumes}/data"),
    ]
