"""`podferry uninstall` on real nodes: files, mounts and rules are as before the install."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from podferry.cli import demo_world
from podferry.cli.install import Kubectl
from podferry.lab.cluster.model import Lab
from tests.lab import tools_image
from tests.lab.cluster import Cluster, podferry_lab
from tests.lab.moves import Moves

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
NAME = "test-uninstall"
KINDS = (
    "crd,clusterrole,clusterrolebinding,role,rolebinding,runtimeclass,namespace,"
    "validatingadmissionpolicy,validatingadmissionpolicybinding,"
    "mutatingwebhookconfiguration,validatingwebhookconfiguration"
)
# Paths with the content of containerd's configuration, mounts, rules; kubelet's own are left out.
LOOK = r"""
find /opt /run/podferry /var/lib/podferry /etc/containerd 2>/dev/null | sort
find /etc/containerd -type f -exec sha256sum {} + | sort
awk '/podferry/ {print $2}' /proc/mounts
nft list tables
"""


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A lab of its own: the session's keeps its podferry."""
    podferry_lab("down", "--name", NAME)
    podferry_lab("up", "--name", NAME)
    cluster = Cluster(Lab.named(NAME))
    image = tmp_path_factory.mktemp("images") / "tools.tar"
    tools_image.write(image)
    cluster.load_image(image)
    yield cluster
    podferry_lab("down", "--name", NAME)


def nodes(cluster: Cluster) -> dict[str, list[str]]:
    return {
        node: cluster.exec(node, ["sh", "-c", LOOK]).splitlines() for node in ("node-a", "node-b")
    }


def uninstall(cluster: Cluster) -> subprocess.CompletedProcess[str]:
    """As a user does it."""
    argv = [sys.executable, "-m", "podferry.cli.main", "uninstall", "--lab", cluster.name]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_after_a_move_the_nodes_are_as_before_and_run_pods(fresh: Cluster) -> None:
    before = nodes(fresh)
    demo_world.install(demo_world.World(fresh.lab, Kubectl.of_lab(fresh.name)), lambda _line: None)
    fresh.kubectl("create", "namespace", "t")
    moves = Moves(fresh, "t")
    moves.start("Deployment", "w")
    assert moves.migrate("Deployment", "w", "m")["phase"] == "Succeeded"

    refused = uninstall(fresh)
    assert refused.returncode != 0
    assert "t/w-" in refused.stderr
    assert moves.get("migrations")["items"]

    moves.kubectl("delete", "deployment", "w")
    moves.kubectl("wait", "--for=delete", "pod", "-l", "app=w", "--timeout=60s")
    done = uninstall(fresh)
    assert done.returncode == 0, done.stderr
    for node, now in nodes(fresh).items():
        assert sorted(set(now) ^ set(before[node])) == [], node
    left = json.loads(fresh.kubectl("get", KINDS, "-A", "-o", "json"))["items"]
    names = [f"{one['kind']}/{one['metadata']['name']}" for one in left]
    assert [name for name in names if "podferry" in name] == []

    moves.start("Deployment", "plain", opt_in=False)
