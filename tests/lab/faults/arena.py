"""Where cells run: one namespace, one workload of each kind that is moved on and on, whole nodes.

Owns making it whole again between two cells: what was killed is back before the next begins. A
workload that a cell lost is replaced, so that one failure does not fail the cells after it.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

import yaml

from podferry.lab.cluster import components
from podferry.wire import names
from tests.lab.cluster import Cluster
from tests.lab.faults import judge, victims
from tests.lab.faults.machine import Node
from tests.lab.moves import Moves
from tests.lab.tenants import CONTROLLER

SYSTEM = "podferry-system"
KUBELET = f"{components.CONF}/kubelet.yaml"
WHOLE_SECONDS = 90.0
MEMORY_MB = 64


class Arena:
    """A lab in which podferry runs, made for being hurt again and again."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.nodes = {name: Node(cluster, name) for name in ("node-a", "node-b")}
        self._round, self._number = 0, 0
        old = [item["metadata"]["name"] for item in cluster.get("namespaces")["items"]]
        for name in (name for name in old if name.startswith("faults-")):
            cluster.kubectl("delete", "namespace", name, "--timeout=60s")
        self.moves = self._namespace()
        self._apps: dict[str, str] = {}
        self._config: dict[str, str] = {}
        for node in self.nodes.values():
            self._restart_soon(node)
        self.whole()

    def _namespace(self) -> Moves:
        self._round += 1
        name = f"faults-{self._round}"
        self.cluster.kubectl("create", "namespace", name)
        self.cluster.kubectl(
            "wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=30s"
        )
        return Moves(self.cluster, name)

    def _restart_soon(self, node: Node) -> None:
        """A container that is killed in cell after cell is started again at once each time.

        Kubelet's usual waits, 10 s to 5 min, are for the second kill within ten minutes: no fault
        of one move, but of many.
        """
        place = node.path(KUBELET)
        self._config[node.name] = place.read_text()
        config = yaml.safe_load(place.read_text())
        config["crashLoopBackOff"] = {"maxContainerRestartPeriod": "1s"}
        place.write_text(yaml.safe_dump(config))
        victims.kill(node, "kubelet", "kubelet")

    def close(self) -> None:
        """Leave the lab to others as it was."""
        self.cluster.kubectl("delete", "namespace", self.moves.namespace, "--timeout=90s")
        for node in self.nodes.values():
            node.path(KUBELET).write_text(self._config[node.name])
            victims.kill(node, "kubelet", "kubelet")
        self.whole()

    def whole(self) -> None:
        """Return once every part is there and serves."""
        deadline = time.monotonic() + WHOLE_SECONDS
        while why := self._missing():
            assert time.monotonic() < deadline, why
            time.sleep(0.1)

    def _missing(self) -> str:
        for node in self.nodes.values():
            if not node.listens(names.AGENT_PORT):
                return f"no agent listens on {node.name}"
            if not victims.find(node, "kubelet"):
                return f"no kubelet on {node.name}"
        with contextlib.suppress(AssertionError):
            for item in self.cluster.get("nodes")["items"]:
                if not _is_true(item, "Ready") or item["spec"].get("taints"):
                    return f"{item['metadata']['name']} is not ready"
            pods = self.cluster.get("pods", "-n", SYSTEM, "-l", "app.kubernetes.io/name")["items"]
            for pod in pods:
                for status in pod["status"].get("containerStatuses") or [{}]:
                    if "running" not in status.get("state", {}):
                        return f"{pod['metadata']['name']} does not run"
            lease = self.cluster.get("lease", "podferry-controller", "-n", SYSTEM)
            leader = lease["spec"].get("holderIdentity", "")
            if leader not in [pod["metadata"]["name"] for pod in pods]:
                return f"nobody leads, the lease names {leader!r}"
            return ""
        return "the API server does not answer"

    def leader_node(self) -> Node:
        """The node on which the leading controller runs."""
        lease = self.cluster.get("lease", "podferry-controller", "-n", SYSTEM)
        pod = self.cluster.get("pod", lease["spec"]["holderIdentity"], "-n", SYSTEM)
        return self.nodes[pod["spec"]["nodeName"]]

    def workload(self, owner: str) -> tuple[str, dict[str, Any]]:
        """Name and pod of the workload of this kind, started at the first time."""
        app = self._apps.get(owner)
        if app is not None:
            return app, self.moves.pod(app)
        app = owner.lower()
        pod = self.moves.start(owner, app, mb=MEMORY_MB)
        self._apps[owner] = app
        return app, pod

    def other_uids(self, app: str) -> set[str]:
        """Uids of all pods of the cluster but those of one workload."""
        found = set()
        for pod in self.cluster.get("pods", "-A")["items"]:
            metadata = pod["metadata"]
            labels = metadata.get("labels") or {}
            if (metadata["namespace"], labels.get("app")) != (self.moves.namespace, app):
                found.add(str(metadata["uid"]))
        return found

    def next_name(self) -> str:
        """A name for a Migration that no other had."""
        self._number += 1
        return f"m{self._number}"

    def give_up(self) -> None:
        """After a lost cell: everything anew, whatever state it is in."""
        old = self.moves.namespace
        self.moves, self._apps = self._namespace(), {}
        for raw in self.cluster.get("migrations", "-n", old)["items"]:
            name = raw["metadata"]["name"]
            patch = '{"metadata":{"finalizers":null}}'
            # Nobody else may take the finalizer off.
            self.cluster.kubectl("patch", "migration", name, "-n", old, "--type=merge", "-p", patch,
                                 "--as", CONTROLLER)  # fmt: skip
        self.cluster.kubectl("delete", "namespace", old, "--wait=false")
        self.cluster.kubectl("delete", "pods", "--all", "-n", old, "--force", "--grace-period=0",
                             "--wait=false")  # fmt: skip
        self.cluster.kubectl("delete", "pods", "--all", "-n", SYSTEM, "--grace-period=1")
        self.whole()

    def left(self) -> set[str]:
        """What the nodes hold now, of no matter whom."""
        return judge.on_nodes(self.moves, self.nodes)


def _is_true(item: dict[str, Any], kind: str) -> bool:
    conditions = item["status"].get("conditions") or []
    return any(one["type"] == kind and one["status"] == "True" for one in conditions)
