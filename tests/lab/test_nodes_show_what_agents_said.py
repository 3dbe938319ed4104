"""`podferry nodes` shows the agents' facts in a real cluster; users need one right for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.lab.cluster import Cluster

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def podferry(cluster: Cluster, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "podferry.cli.main", *argv],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "KUBECONFIG": str(cluster.lab.kubeconfig)},
    )


def rows(cluster: Cluster) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(podferry(cluster, "nodes", "-o", "json").stdout)
    return found


def test_both_nodes_show_their_versions_of_criu_and_runc(ferry: Cluster) -> None:
    deadline = time.monotonic() + 90
    while not all(row["facts"] for row in rows(ferry)):
        assert time.monotonic() < deadline, rows(ferry)
        time.sleep(1)
    found = {row["node"]: row["facts"] for row in rows(ferry)}
    assert set(found) == {"node-a", "node-b"}
    for facts in found.values():
        for key in ("criuVersion", "runcVersion"):
            assert facts[key][0].isdigit(), facts
        assert facts["observedAt"].endswith("Z")
    text = podferry(ferry, "nodes").stdout
    assert found["node-a"]["criuVersion"] in text


def test_the_controller_may_write_no_other_config_map(ferry: Cluster) -> None:
    user = "system:serviceaccount:podferry-system:podferry-controller"

    def can(*what: str) -> bool:
        said = ferry.kubectl("auth", "can-i", *what, "--as", user, check=False)
        return said.startswith("yes")

    assert can("patch", "configmaps/podferry-nodes", "-n", "podferry-system")
    assert not can("patch", "configmaps/kube-root-ca.crt", "-n", "podferry-system")
    assert not can("create", "configmaps", "-n", "default")
