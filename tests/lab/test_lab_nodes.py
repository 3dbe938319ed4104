"""A node is what kubelet and podferry's installer take it for."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.lab import tools_image
from tests.lab.cluster import Cluster, podferry_lab

pytestmark = pytest.mark.lab


def services(lab: Cluster, box: str) -> dict[str, dict[str, int]]:
    return {r["name"]: r for r in json.loads((lab.lab.logs(box) / "services.json").read_text())}


def until(condition: object, seconds: float = 30.0) -> bool:
    """Poll a callable; the lab has no event to wait on from outside."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_a_node_has_the_memory_that_was_asked_for(lab: Cluster) -> None:
    for node in lab.get("nodes")["items"]:
        assert node["status"]["capacity"]["memory"] in ("3Gi", "3145728Ki")


def test_every_node_runs_a_kubelet_of_the_cluster_s_version(lab: Cluster) -> None:
    for node in lab.get("nodes")["items"]:
        info = node["status"]["nodeInfo"]
        assert info["kubeletVersion"] == "v1.36.3"
        assert info["containerRuntimeVersion"].startswith("containerd://2.")


@pytest.mark.parametrize("component", ["containerd", "kubelet", "kube-proxy"])
def test_a_component_that_is_stopped_comes_back(lab: Cluster, component: str) -> None:
    before = services(lab, "node-b")[component]
    lab.exec("node-b", ["kill", "-TERM", str(before["pid"])])

    def again() -> bool:
        now = services(lab, "node-b")[component]
        return now["starts"] == before["starts"] + 1 and bool(now["pid"])

    assert until(again)
    lab.kubectl("wait", "--for=condition=Ready", "node/node-b", "--timeout=60s")
    if component == "containerd":
        assert until(lambda: "Server:" in lab.exec("node-b", ["ctr", "version"], check=False))


def test_an_image_is_named_by_digest_as_well(lab: Cluster) -> None:
    names = lab.exec("node-a", ["ctr", "-n", "k8s.io", "images", "ls", "-q"]).split()
    repository = tools_image.NAME.partition(":")[0]
    assert tools_image.NAME in names
    assert any(name.startswith(f"{repository}@sha256:") for name in names)


def test_mounts_of_a_node_are_shared_with_its_pods(lab: Cluster) -> None:
    found = lab.exec("node-a", ["findmnt", "-n", "-o", "PROPAGATION", "/"]).strip()
    assert found == "shared"


def test_kubelet_s_folders_are_on_a_file_system_of_the_node(lab: Cluster) -> None:
    for folder in ("/var/lib/kubelet", "/var/lib/containerd", "/var/log/pods"):
        kind = lab.exec("node-a", ["findmnt", "-n", "-o", "FSTYPE", "-T", folder]).strip()
        assert kind == "ext4"


def test_the_status_names_every_version_and_every_component_runs(lab: Cluster) -> None:
    found = json.loads(podferry_lab("status", "-o", "json", "--name", lab.name).stdout)
    for part in ("kubelet", "kube-apiserver", "etcd", "containerd", "runc", "criu", "kernel"):
        assert found["versions"][part]
    assert len(found["components"]) == 5 + 2 * 3
    assert all(row["running"] for row in found["components"])
    assert all(node["ready"] for node in found["nodes"])


@pytest.mark.parametrize("component", ["etcd", "apiserver", "scheduler", "kubelet@node-b"])
def test_a_component_s_log_is_printed(lab: Cluster, component: str) -> None:
    assert podferry_lab("logs", component, "--name", lab.name).stdout


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["logs", "nonsense"], "no component"),
        (["logs", "kubelet@node-z"], "no node"),
        (["exec", "node-z", "--", "true"], "no node"),
        (["load-image", "/nonexistent.tar"], "no file"),
    ],
)
def test_what_does_not_exist_is_one_clear_line(lab: Cluster, argv: list[str], words: str) -> None:
    done = podferry_lab(argv[0], "--name", lab.name, *argv[1:], check=False)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_exec_passes_the_command_s_exit_code_on(lab: Cluster) -> None:
    command = ["exec", "--name", lab.name, "node-a", "--", "sh", "-c", "exit 7"]
    assert podferry_lab(*command, check=False).returncode == 7


def test_the_kubeconfig_works_on_the_machine_itself(lab: Cluster) -> None:
    path = Path(podferry_lab("kubeconfig", "--name", lab.name).stdout.strip())
    assert path.stat().st_mode & 0o077 == 0
    assert "127.0.0.1" in path.read_text()
    assert "node-a" in lab.kubectl("get", "nodes")
