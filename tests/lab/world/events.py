"""What happens in the world around a move: a server that hangs, a wire that is cut.

Each is undone at the end of its block, whatever happened in it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from podferry.wire.names import AGENT_PORT
from tests.lab.cluster import Cluster

SYSTEM = "podferry-system"
CONTROLLERS = "app.kubernetes.io/name=podferry-controller"
_OF_POD = """
for p in $(pgrep -f 'podferry.cli.main controller'); do
  tr _ - </proc/$p/cgroup | grep -q "$1" && echo $p
done
true
"""
_CUT = """table inet world_cut
delete table inet world_cut
table inet world_cut {{
  chain out {{
    type filter hook output priority -300;
    ip daddr {address} tcp dport {port} drop
  }}
  chain in {{
    type filter hook input priority -300;
    ip saddr {address} tcp sport {port} drop
  }}
}}
"""


@contextmanager
def api_server_hangs(cluster: Cluster, seconds: float) -> Iterator[None]:
    """The API server answers nobody for `seconds` from the beginning of the block on."""
    pid = cluster.exec("control", ["pgrep", "-x", "kube-apiserver"]).split()[0]
    cluster.exec("control", ["kill", "-STOP", pid])
    began = time.monotonic()
    print(f"stopped kube-apiserver pid {pid} for {seconds:.0f} s")
    try:
        yield
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))
    finally:
        cluster.exec("control", ["kill", "-CONT", pid])


@contextmanager
def cut_from_controllers(cluster: Cluster, node: str) -> Iterator[None]:
    """No controller reaches the agent of `node`; the agents still reach each other."""
    address = cluster.get("node", node)["status"]["addresses"][0]["address"]
    ends = [(pod["spec"]["nodeName"], pid_of(cluster, pod)) for pod in controllers(cluster)]
    for where, pid in ends:
        rules = _CUT.format(address=address, port=AGENT_PORT)
        script = f"nsenter -t {pid} -n nft -f - <<'E'\n{rules}E\n"
        cluster.exec(where, ["sh", "-c", script])
    print(f"cut {len(ends)} controllers from the agent at {address}:{AGENT_PORT}")
    try:
        yield
    finally:
        for where, pid in ends:
            cut = ["nsenter", "-t", str(pid), "-n", "nft", "delete", "table", "inet", "world_cut"]
            cluster.exec(where, cut, check=False)


def controllers(cluster: Cluster) -> list[dict[str, Any]]:
    """The controller's pods."""
    found: list[dict[str, Any]] = cluster.get("pods", "-n", SYSTEM, "-l", CONTROLLERS)["items"]
    return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]


def pid_of(cluster: Cluster, pod: dict[str, Any]) -> int:
    """The pid, in its node, of a controller's process."""
    argv = ["sh", "-c", _OF_POD, "sh", pod["metadata"]["uid"]]
    return int(cluster.exec(pod["spec"]["nodeName"], argv).split()[0])


def leader(cluster: Cluster) -> str:
    """Name of the pod that holds the Lease; empty if nobody does."""
    lease = cluster.get("lease", "podferry-controller", "-n", SYSTEM)
    return str(lease["spec"].get("holderIdentity") or "")


def evict(cluster: Cluster, pod: dict[str, Any]) -> str:
    """Ask the Eviction API; returns what it said, also when it refused."""
    metadata = pod["metadata"]
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "deleteOptions": {"gracePeriodSeconds": 1},
    }
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/eviction"
    return cluster.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(body), check=False)
