"""Nodes that lose their power and get it back, seen through the API server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from podferry.lab.cluster import reboot as lab_reboot
from tests.lab.cluster import Cluster, podferry_lab
from tests.lab.world import moments


def reboot(cluster: Cluster, node: str) -> None:
    """Cut its power, start it, and return once its kubelet and its agent are back."""
    old = boot_id(cluster, node)
    podferry_lab("reboot", node, "--name", cluster.name)
    print(f"{node} was rebooted")
    is_back(cluster, node, old)


@contextmanager
def off(cluster: Cluster, node: str) -> Iterator[None]:
    """The node has no power until the block ends; then it is started and waited for."""
    old = boot_id(cluster, node)
    lab_reboot.power_off(cluster.lab, node)
    print(f"{node} is off")
    try:
        yield
    finally:
        lab_reboot.power_on(cluster.lab, node)
    is_back(cluster, node, old)


def is_back(cluster: Cluster, node: str, old: str) -> None:
    """Return once kubelet and agent of a node of another boot id serve."""
    moments.until(lambda: boot_id(cluster, node) == old, f"{node} does not come back", 120)
    cluster.kubectl("wait", f"node/{node}", "--for=condition=Ready", "--timeout=120s")
    system = ("-n", "podferry-system")
    cluster.kubectl("rollout", "status", "daemonset/podferry-agent", *system, "--timeout=180s")
    cluster.kubectl("rollout", "status", "deploy/podferry-controller", *system, "--timeout=180s")


def boot_id(cluster: Cluster, node: str) -> str:
    """As its kubelet reported it last."""
    return str(cluster.get("node", node)["status"]["nodeInfo"]["bootID"])
