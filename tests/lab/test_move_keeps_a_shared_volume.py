"""A volume that both nodes mount stays, and the workload goes on in the files it has open."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.cluster import Cluster
from tests.lab.moves import OTHER, Moves, refusal
from tests.lab.on_node import processes

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]
FOLDER = "/srv/shared"
DEVICE = "/dev/podferry-test-shared"
VOLUMES = [{"name": "data", "persistentVolumeClaim": {"claimName": "shared"}}]


@pytest.fixture(scope="module")
def shared(ferry: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A file system that both nodes have mounted: one kernel, so both see the same at once."""
    disk = tmp_path_factory.mktemp("disk") / "shared.img"
    disk.write_bytes(b"")
    with disk.open("r+b") as file:
        file.truncate(32 << 20)
    _run("mkfs.ext4", "-q", str(disk))
    device = _run("losetup", "--find", "--show", str(disk)).strip()
    number = device.removeprefix("/dev/loop")
    script = f"mknod -m 600 {DEVICE} b 7 {number}; mkdir -p {FOLDER}; mount {DEVICE} {FOLDER}"
    try:
        for node in OTHER:
            ferry.exec(node, ["sh", "-ec", script])
        yield FOLDER
    finally:
        for node in OTHER:
            ferry.exec(node, ["sh", "-c", f"umount {FOLDER}; rm {DEVICE}"], check=False)
        _run("losetup", "-d", device)


def _run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def claimed(moves: Moves, shared: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The claim `shared` of the test's namespace with the mode asked for; its folder."""
    mode, name = request.param, f"{moves.namespace}-shared"
    folder = f"{shared}/{name}"
    moves.cluster.exec("node-a", ["mkdir", folder])
    term = {"key": "kubernetes.io/hostname", "operator": "In", "values": list(OTHER)}
    common = {"accessModes": [mode], "storageClassName": ""}
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
              "spec": {**common, "capacity": {"storage": "1Mi"}, "local": {"path": folder},
                       "nodeAffinity": {"required": {"nodeSelectorTerms": [
                           {"matchExpressions": [term]}]}}}}  # fmt: skip
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "shared"},
             "spec": {**common, "volumeName": name,
                      "resources": {"requests": {"storage": "1Mi"}}}}  # fmt: skip
    moves.cluster.kubectl("create", "-f", "-", stdin=json.dumps(volume))
    moves.kubectl("create", "-f", "-", stdin=json.dumps(claim))
    bound = "--for=jsonpath={.status.phase}=Bound"
    moves.kubectl("wait", "pvc/shared", bound, "--timeout=30s")
    yield folder
    moves.cluster.kubectl("delete", "pv", name, "--wait=false")


def container(image: str, **env: str) -> dict[str, Any]:
    """The writer on the claimed volume."""
    values = {"FILE": "/data/numbers", **env}
    return {"name": "app", "image": image, "imagePullPolicy": "Never", "command": ["/writer"],
            "env": [{"name": key, "value": value} for key, value in values.items()],
            "volumeMounts": [{"name": "data", "mountPath": "/data"}]}  # fmt: skip


def numbers(moves: Moves, node: str, folder: str) -> list[int]:
    """What the file says, read on a node."""
    return [int(line) for line in moves.cluster.exec(node, ["cat", f"{folder}/numbers"]).split()]


@pytest.mark.parametrize("claimed", ["ReadWriteMany"], indirect=True)
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_an_open_file_on_a_shared_volume_is_written_on_without_a_gap(
    moves: Moves, claimed: str, odd: str, kind: str
) -> None:
    pod = moves.start(kind, "w", containers=[container(odd)], volumes=VOLUMES)
    home = pod["spec"]["nodeName"]
    status = moves.migrate(kind, "w", "m", copy="StopAndCopy")
    assert status["phase"] == "Succeeded", status
    moves.gone(pod)
    pod = moves.pod("w")
    node = pod["spec"]["nodeName"]
    assert node == OTHER[home]
    (process,) = processes(moves.cluster, node, pod["metadata"]["uid"], "writer")
    target = moves.cluster.exec(node, ["readlink", f"/proc/{process.pid}/fd/3"])
    assert target.strip() == "/data/numbers"
    first = len(numbers(moves, node, claimed))
    moves.cluster.exec(node, ["sh", "-c", f"timeout 10 tail -n0 -f {claimed}/numbers | head -n2"])
    found = numbers(moves, home, claimed)
    assert len(found) >= first + 2
    assert found == list(range(1, len(found) + 1))


@pytest.mark.parametrize("claimed", ["ReadWriteMany"], indirect=True)
def test_a_lock_on_a_shared_volume_is_refused_before_anything_is_touched(
    moves: Moves, claimed: str, odd: str
) -> None:
    assert claimed
    moves.start("Pod", "w", containers=[container(odd, LOCK="1")], volumes=VOLUMES)
    moves.migrate("Pod", "w", "m")
    migration = moves.get("migration", "m")
    assert migration["status"]["phase"] == "Failed"
    said = {item["type"]: item for item in migration["status"]["conditions"]}["Accepted"]
    assert said["reason"] == "UnsupportedResource"
    assert "holds a lock (FLOCK) on a file of the volume at /data" in said["message"]


@pytest.mark.parametrize("claimed", ["ReadWriteOnce"], indirect=True)
def test_a_volume_for_one_node_is_refused_with_what_to_use_instead(
    moves: Moves, claimed: str, odd: str
) -> None:
    assert claimed
    moves.start("Pod", "w", containers=[container(odd)], volumes=VOLUMES)
    moves.migrate("Pod", "w", "m")
    reason, message = refusal(moves.get("migration", "m"))
    assert reason == "PersistentVolume"
    assert "claim shared" in message
    assert "ReadWriteOnce" in message
    assert "ReadWriteMany" in message
