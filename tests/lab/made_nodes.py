"""Nodes that are only objects: registered, with no machine behind them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from tests.lab.cluster import Cluster

SYSTEM = "podferry-system"
NEW = "node.kubernetes.io/not-ready"


def node(name: str, *taints: dict[str, str], cordoned: bool = False) -> dict[str, Any]:
    """The manifest of a node."""
    spec = {"taints": list(taints), "unschedulable": cordoned}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec}


def beat(cluster: Cluster, name: str) -> None:
    """Say for a node that it is Ready; its controller believes that for less than a minute."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = {"type": "Ready", "status": "True", "reason": "Test", "message": "",
             "lastHeartbeatTime": now, "lastTransitionTime": now}  # fmt: skip
    patch = json.dumps({"status": {"conditions": [ready]}})
    cluster.kubectl("patch", "node", name, "--subresource=status", "-p", patch)


@contextmanager
def registered(cluster: Cluster, *nodes: dict[str, Any], silent: str = "") -> Iterator[None]:
    """These nodes exist and are Ready, but the one named `silent`, which was never heard of.

    They go with what the agent's DaemonSet made for them.
    """
    names = [each["metadata"]["name"] for each in nodes]
    raw = {"apiVersion": "v1", "kind": "List", "items": list(nodes)}
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(raw))
    try:
        for name in set(names) - {silent}:
            beat(cluster, name)
            # What admission put on a new node; its controller does the same, a little later.
            cluster.kubectl("taint", "node", name, f"{NEW}-", check=False)
        yield
    finally:
        cluster.kubectl("delete", "node", *names)
        pending = "--field-selector=status.phase=Pending"
        cluster.kubectl("delete", "pods", "-n", SYSTEM, pending, "--force", "--grace-period=0")
        agents = ("rollout", "status", "daemonset/podferry-agent", "-n", SYSTEM, "--timeout=60s")
        cluster.kubectl(*agents)
