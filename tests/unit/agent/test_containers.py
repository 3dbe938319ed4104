"""What a bundle tells: pod, volumes, shared memory, the writable layer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from podferry.agent import containers
from podferry.agent.containers import Bundle
from podferry.agent.errors import AgentError
from podferry.agent.ops.host import Host

POD = "/var/lib/kubelet/pods/uid-1"


def bundle(*sources: str) -> Bundle:
    return Bundle(
        "/run/bundle",
        {
            "annotations": {"io.kubernetes.cri.sandbox-uid": "uid-1"},
            "mounts": [{"destination": f"/m{n}", "source": item} for n, item in enumerate(sources)],
        },
    )


@pytest.mark.parametrize(
    "source",
    [
        f"{POD}/etc-hosts",
        f"{POD}/containers/app/1234",
        f"{POD}/volumes/kubernetes.io~empty-dir/data",
        f"{POD}/volume-subpaths/data/app/0",
    ],
)
def test_every_empty_dir_of_the_pod_is_found_also_behind_a_sub_path(
    tmp_path: Path, source: str
) -> None:
    for name in ("data", "cache"):
        (tmp_path / f"{POD[1:]}/volumes/kubernetes.io~empty-dir/{name}").mkdir(parents=True)
    host = Host(str(tmp_path), enter=False)
    found = containers.empty_dirs(host, bundle("proc", source))
    assert found == {
        name: f"{POD}/volumes/kubernetes.io~empty-dir/{name}" for name in ("cache", "data")
    }


def test_a_mount_from_another_pods_folder_is_not_taken_for_ours(tmp_path: Path) -> None:
    host = Host(str(tmp_path), enter=False)
    (tmp_path / "var/lib/kubelet/pods/other/volumes/kubernetes.io~empty-dir/x").mkdir(parents=True)
    foreign = bundle("/var/lib/kubelet/pods/other/volumes/kubernetes.io~empty-dir/x")
    assert containers.empty_dirs(host, foreign) == {}


def test_the_upper_folder_of_the_right_mount_is_found(tmp_path: Path) -> None:
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/1/mounts").write_text(
        "overlay /run/other/rootfs overlay rw,upperdir=/wrong,workdir=/w 0 0\n"
        "overlay /run/bundle/rootfs overlay rw,lowerdir=/l,upperdir=/right,workdir=/w 0 0\n"
    )
    assert containers.upper_dir(Host(str(tmp_path), enter=False), bundle()) == "/right"


def test_another_snapshotter_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "proc/1").mkdir(parents=True)
    (tmp_path / "proc/1/mounts").write_text("/dev/sda1 /run/bundle/rootfs btrfs rw 0 0\n")
    with pytest.raises(AgentError, match="overlayfs snapshotter"):
        containers.upper_dir(Host(str(tmp_path), enter=False), bundle())


@pytest.mark.parametrize(("source", "shm"), [("/run/sandboxes/s/shm", "/run/sandboxes/s/shm"),
                                             ("shm", "")])  # fmt: skip
def test_only_a_shared_memory_folder_of_the_node_is_carried(source: str, shm: str) -> None:
    config = {"mounts": [{"destination": "/dev/shm", "source": source}]}
    assert Bundle("/b", config).shm == shm


@pytest.mark.parametrize("text", ["", "docker://", "containerd://../../x", "containerd://ABC"])
def test_what_is_no_container_id_is_refused(text: str) -> None:
    with pytest.raises(AgentError, match="BadContainerID"):
        containers.plain_id(text)


def test_a_missing_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="BundleMissing"):
        containers.read_bundle(Host(str(tmp_path), enter=False), "/run/bundle")


def test_a_bundle_is_read(tmp_path: Path) -> None:
    (tmp_path / "run/bundle").mkdir(parents=True)
    config = {"linux": {"namespaces": [{"type": "network", "path": "/proc/7/ns/net"}]}}
    (tmp_path / "run/bundle/config.json").write_text(json.dumps(config))
    found = containers.read_bundle(Host(str(tmp_path), enter=False), "/run/bundle")
    assert found.network_namespace == "/proc/7/ns/net"
