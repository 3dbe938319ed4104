"""`python -m tools.freeze_first --lab NAME --out FILE`: a grower at the threshold, moved both ways.

A lab with podferry must run; its nodes need 2 GiB each. For each rate the workload grows until its
node has so much left above kubelet's threshold (`--headroom`); then the Migration is made, frozen
first or not, alternately. One CSV row a move: what it gained until its dump, freeze, and what
kubelet and the kernel did.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from podferry.api.reasons import Condition
from podferry.lab.cluster import inspect
from podferry.lab.cluster.model import Lab
from podferry.lab.images import write_docker_archive
from tools.bench import workload
from tools.bench.api import Api, wait_for
from tools.bench.world import create

MIB = 1 << 20
NAME, IMAGE = "grow", "registry.lab/grow:1"
EVICTION_MIB = 100
"""Kubelet's `memory.available` by default."""
BALLAST_MIB = 600
RUN_UP_SECONDS = 1.0
SLACK_MIB = 64
"""What an earlier move may leave on the node for a while."""
END_SECONDS = 200.0


@dataclass(frozen=True, slots=True)
class Row:
    """One move. Sizes in MiB, times in seconds; -1: not known."""

    rate: int
    first: bool
    round: int
    end: str
    reason: str
    at_decision: int
    at_most: int
    """Of the source, which grows until it is frozen."""
    gained: int
    until_frozen: float
    prepared: float
    freeze: float
    least_available: int
    killed: str


class Node:
    """The source's memory as its kubelet sees it, read from this machine."""

    def __init__(self, lab: Lab, name: str) -> None:
        self._folder = Path("/sys/fs/cgroup/memory", lab.box_cgroup(name).strip("/"))
        self.capacity = int((self._folder / "memory.limit_in_bytes").read_text()) // MIB

    def available(self) -> int:
        """memory.available [MiB]."""
        usage = int((self._folder / "memory.usage_in_bytes").read_text())
        stat = dict(
            line.split() for line in (self._folder / "memory.stat").read_text().splitlines()
        )
        working = max(0, usage - int(stat["total_inactive_file"]))
        return self.capacity - working // MIB

    def pod(self, uid: str) -> Path:
        """The group of a pod."""
        return next(self._folder.rglob(f"*{uid}*"))


def anonymous(group: Path) -> int:
    """Anonymous memory of a group [MiB]; 0 when it is gone."""
    with contextlib.suppress(OSError):
        for line in (group / "memory.stat").read_text().splitlines():
            if line.startswith("total_rss "):
                return int(line.split()[1]) // MIB
    return 0


class Watch(threading.Thread):
    """The least that was available on a node, and the most that a pod there had [MiB]."""

    def __init__(self, node: Node, pod: Path) -> None:
        super().__init__(daemon=True)
        self._node, self._pod, self._over = node, pod, threading.Event()
        self.least, self.most = node.available(), anonymous(pod)

    def run(self) -> None:
        """Look every 20 ms."""
        while not self._over.wait(0.02):
            self.least = min(self.least, self._node.available())
            self.most = max(self.most, anonymous(self._pod))

    def stop(self) -> None:
        """End it."""
        self._over.set()
        self.join()


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tools.freeze_first")
    parser.add_argument("--lab", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rates", default="20,50,100,200")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--begin", type=int, default=0, help="number of the first round")
    parser.add_argument("--headroom", type=int, default=250, help="MiB above the threshold")
    asked = parser.parse_args()
    lab = Lab.named(asked.lab)
    api, node = Api(lab.kubeconfig), Node(lab, workload.SOURCE)
    _prepare(lab, api)
    idle = node.available()
    with asked.out.open("a", newline="") as out:
        table = csv.DictWriter(out, [field.name for field in fields(Row)])
        if not asked.out.stat().st_size:
            table.writeheader()
        for number in range(asked.begin, asked.begin + asked.rounds):
            for rate in (int(one) for one in asked.rates.split(",")):
                for first in (number % 2 == 0, number % 2 != 0):  # neither is always the earlier
                    wait_for("the idle node", lambda: node.available() > idle - SLACK_MIB)
                    row = _move(api, node, rate, first, number, asked.headroom)
                    table.writerow(asdict(row))
                    out.flush()
                    print(json.dumps(asdict(row)), flush=True)
    return 0


def _prepare(lab: Lab, api: Api) -> None:
    """Namespace, image on both nodes, and a pod that fills the source's node."""
    account = f"/api/v1/namespaces/{workload.NAMESPACE}/serviceaccounts/default"
    create(api, "/api/v1/namespaces", {"metadata": {"name": workload.NAMESPACE}})
    wait_for("the namespace's service account", lambda: api.find(account))
    with tempfile.TemporaryDirectory() as folder:
        root, tar = Path(folder, "root"), Path(folder, "grow.tar")
        root.mkdir()
        argv = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s"]
        source = Path(__file__).parent / "grow.c"
        subprocess.run([*argv, "-o", str(root / "grow"), str(source)], check=True)
        write_docker_archive(name=IMAGE, root=root, out=tar, entrypoint=["/grow"], env={})
        inspect.load_image(lab, str(tar), lambda _text: None)
    memory = {"memory": f"{BALLAST_MIB + 64}Mi"}
    container = workload.container(BALLAST_MIB)
    container["env"][1]["value"] = "0"
    container["resources"] = {"requests": memory, "limits": memory}
    body = {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "ballast", "labels": {"app": "ballast"}},
        "spec": {"nodeName": workload.SOURCE, "containers": [container]},
    }  # fmt: skip
    create(api, workload.pod_path(), body)
    ballast = workload.pod_path("ballast")
    wait_for("the ballast", lambda: _is_ready(api.call("GET", ballast)))
    time.sleep(3)


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or []
    return any((one["type"], one["status"]) == ("Ready", "True") for one in conditions)


def _owner(rate: int, start: int, cap: int) -> dict[str, Any]:
    body = workload.owner("Deployment", NAME, 1)
    (container,) = body["spec"]["template"]["spec"]["containers"]
    sizes = {"START": start, "CAP": cap, "RATE": rate}
    container["image"] = IMAGE
    # A kubelet that evicted lately takes no pod without a request for five minutes.
    container["resources"] = {"requests": {"memory": "16Mi"}}
    pressure = {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}
    body["spec"]["template"]["spec"]["tolerations"] = [pressure]
    container["env"] = [{"name": key, "value": str(value)} for key, value in sizes.items()]
    return body


def _move(api: Api, node: Node, rate: int, first: bool, number: int, headroom: int) -> Row:
    free, wanted = node.available(), EVICTION_MIB + headroom
    start = max(16, free - wanted - int(rate * RUN_UP_SECONDS) - 8)
    body = _owner(rate, start, start + 700)
    api.call("POST", workload.owner_path("Deployment"), body)
    try:
        wait_for("the pressure", lambda: node.available() <= wanted, seconds=60, pause=0.01)
        pods = api.call("GET", workload.pod_path(query=f"labelSelector=app%3D{NAME}"))["items"]
        return _moved(api, node, pods[0], (rate, first, number))
    finally:
        _clean(api)


def _moved(api: Api, node: Node, pod: dict[str, Any], what: tuple[int, bool, int]) -> Row:
    rate, first, number = what
    if pod["spec"]["nodeName"] != workload.SOURCE:
        raise RuntimeError(f"the workload started on {pod['spec']['nodeName']}")
    watch = Watch(node, node.pod(pod["metadata"]["uid"]))
    size = watch.most
    watch.start()
    request = workload.migration("Deployment", NAME, "StopAndCopy", "move")
    request["spec"]["freezeFirst"] = first
    decided = time.time()
    api.call("POST", workload.migration_path(), request)
    path = workload.migration_path("move")

    def over() -> dict[str, Any] | None:
        found: dict[str, Any] = api.call("GET", path)
        return found if (found.get("status") or {}).get("completedAt") else None

    status = wait_for("the end of the move", over, seconds=END_SECONDS, pause=0.1)["status"]
    watch.stop()
    measured = status.get("measured") or {}
    ok = status["phase"] == "Succeeded"
    found = {one["type"]: one for one in status["conditions"]}
    frozen = datetime.fromisoformat(status["frozenAt"]).timestamp() if ok else 0.0
    return Row(
        rate, first, number, status["phase"], found["Succeeded"]["reason"], size,
        watch.most, watch.most - size,
        round(frozen - decided, 2) if ok else -1,
        _between(found, Condition.ACCEPTED, Condition.TARGET_READY),
        round(float(measured.get("freezeSeconds") or -1), 2), watch.least, _killed(api, pod),
    )  # fmt: skip


def _between(found: dict[str, Any], one: str, other: str) -> float:
    if any(found.get(kind, {}).get("status") != "True" for kind in (one, other)):
        return -1
    begin, end = (
        datetime.fromisoformat(found[kind]["lastTransitionTime"]) for kind in (one, other)
    )
    return round((end - begin).total_seconds(), 2)


def _killed(api: Api, pod: dict[str, Any]) -> str:
    """Why kubelet or the kernel ended the source, empty if neither did."""
    query = "fieldSelector=type%3DWarning"
    path = f"/api/v1/namespaces/{workload.NAMESPACE}/events?{query}"
    name = pod["metadata"]["name"]
    reasons = {
        str(one["reason"]) for one in api.call("GET", path)["items"]
        if (one.get("involvedObject") or {}).get("name") == name
    }  # fmt: skip
    if "Evicted" in reasons:
        return "Evicted"
    now = api.find(workload.pod_path(name))
    for one in ((now or {}).get("status") or {}).get("containerStatuses") or []:
        for state in (one.get("state") or {}, one.get("lastState") or {}):
            if "terminated" in state:
                return str(state["terminated"].get("reason"))
    return ""


def _clean(api: Api) -> None:
    """Nothing of the move is left, and the node is as it was."""
    api.delete(workload.owner_path("Deployment", NAME))
    api.delete(workload.migration_path("move"))
    query = f"labelSelector=app%3D{NAME}"

    def gone() -> bool:
        left = api.call("GET", workload.pod_path(query=query))["items"]
        for pod in left:
            api.delete(workload.pod_path(pod["metadata"]["name"]), force=True)
        return not left and not api.find(workload.migration_path("move"))

    wait_for("the end of the workload", gone, seconds=END_SECONDS, pause=0.3)
    time.sleep(1.5)


if __name__ == "__main__":
    sys.exit(main())
