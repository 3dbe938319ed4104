"""The lab that is measured in: up with podferry in it, the way into its nodes, and down again.

Owns the lab's life: `standing` ends it however its block is left, also by Ctrl-C.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podferry.cli import demo_world
from podferry.cli.install import Kubectl
from podferry.lab.cluster import box, inspect, lifecycle
from podferry.lab.cluster.errors import LabError
from podferry.lab.cluster.model import Lab, parse_memory
from podferry.lab.cluster.state import running
from podferry.wire.names import SYSTEM_NAMESPACE
from tools.bench import workload
from tools.bench.api import Api, ApiError, wait_for

LAB = "bench"
NODES, NODE_MEMORY = 2, "6Gi"
Progress = Callable[[str], None]


class BenchError(Exception):
    """Something could not be measured; the text says what and why."""


@dataclass(slots=True)
class World:
    """A running lab with podferry in it."""

    lab: Lab
    api: Api
    inits: dict[str, int] = field(default_factory=dict)

    def argv(self, node: str, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` in a node, or in the box `control`."""
        return inspect.exec_argv(self.lab, node, command)

    def run(self, node: str, command: Sequence[str], *, stdin: str | None = None) -> str:
        """Run it to its end; its output. Raises BenchError with its own words."""
        done = subprocess.run(
            self.argv(node, command),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=self.joining(node),
        )
        if done.returncode:
            told = (done.stderr or done.stdout).strip()
            told = " ".join(re.findall(r"Error \([^)]*\): [^\n\"]*", told)) or told[-400:]
            raise BenchError(f"{node}: {' '.join(command[:6])}: exit {done.returncode}: {told}")
        return done.stdout

    def path(self, node: str, path: str) -> Path:
        """A path of a node as this machine sees it."""
        return Path(f"/proc/{self._init(node)}/root{path}")

    def joining(self, node: str) -> Callable[[], None]:
        """For a new process: take its place in the node's cgroups.

        Entering a box's namespaces leaves one outside of them, and there a busy machine gives
        another share of its cores than the node's own processes have.
        """
        files = []
        for line in Path(f"/proc/{self._init(node)}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            folder = Path("/sys/fs/cgroup", controllers.removeprefix("name=")) / path.strip("/")
            if (folder / "cgroup.procs").exists():
                files.append(str(folder / "cgroup.procs"))

        def join() -> None:
            for file in files:
                with open(file, "w") as out:
                    out.write("0")

        return join

    def _init(self, node: str) -> int:
        """Pid, on this machine, of the node's process 1."""
        if node not in self.inits:
            self.inits[node] = box.init_pid(running(self.lab).processes[node])
        return self.inits[node]

    def node_ip(self, node: str) -> str:
        """The node's address."""
        for item in self.api.call("GET", f"/api/v1/nodes/{node}")["status"]["addresses"]:
            if item["type"] == "InternalIP":
                return str(item["address"])
        raise BenchError(f"{node} has no InternalIP")

    def pods(self, app: str) -> list[dict[str, Any]]:
        """The pods of the bench with that app label."""
        path = workload.pod_path(query=f"labelSelector=app%3D{app}")
        found: list[dict[str, Any]] = self.api.call("GET", path)["items"]
        return found

    def running_pod(self, app: str, *, seconds: float = 90.0) -> dict[str, Any]:
        """The one pod of that app once its container runs and its Service knows it."""

        def look() -> dict[str, Any] | None:
            found = self.pods(app)
            ready = [
                item
                for item in found
                for condition in item["status"].get("conditions") or []
                if (condition["type"], condition["status"]) == ("Ready", "True")
            ]
            return ready[0] if len(found) == len(ready) == 1 else None

        pod: dict[str, Any] = wait_for(f"a Ready pod of {app}", look, seconds=seconds)
        return pod

    def no_pods(self, app: str) -> None:
        """Return once no pod of that app is left, and every container of it ended."""
        wait_for(f"the end of the pods of {app}", lambda: not self.pods(app), seconds=90)

    def agent_log(self, node: str, since: float) -> list[dict[str, Any]]:
        """Records of a node's agent since that unix time."""
        query = "labelSelector=app.kubernetes.io%2Fname%3Dpodferry-agent"
        pods = self.api.call("GET", f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/pods?{query}")["items"]
        (name,) = [item["metadata"]["name"] for item in pods if item["spec"]["nodeName"] == node]
        back = max(1, int(time.time() - since) + 2)
        argv = ["logs", "-n", SYSTEM_NAMESPACE, name, "-c", "agent", f"--since={back}s"]
        done = subprocess.run(
            inspect.kubectl_argv(self.lab, argv), capture_output=True, text=True, check=True
        )
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@contextmanager
def standing(progress: Progress, *, keep: str = "") -> Iterator[World]:
    """A fresh lab with podferry and the bench's namespace; gone afterwards.

    `keep` names a running lab with podferry in it that is used, and left, instead.
    """
    lab = Lab.named(keep or LAB)
    if lab.home.exists() and not keep:
        raise LabError(
            f"lab {lab.name!r} is there already: another run, or what a killed one left;"
            f" end it first: podferry lab down --name {lab.name}"
        )
    try:
        if not keep:
            _raise(lab, progress)
        world = World(lab, Api(lab.kubeconfig))
        _settle(world)
        yield world
    finally:
        if not keep:
            _end(lab, progress)


def _raise(lab: Lab, progress: Progress) -> None:
    def parts() -> lifecycle.Parts:
        from podferry.lab.parts import ensure

        made: lifecycle.Parts = ensure(progress=progress)
        return made

    lifecycle.up(
        lab,
        node_count=NODES,
        node_memory=parse_memory(NODE_MEMORY),
        parts=parts,
        progress=progress,
    )
    demo_world.install(demo_world.World(lab, Kubectl.of_lab(lab.name)), progress)


def _end(lab: Lab, progress: Progress) -> None:
    """Take the lab down; a second Ctrl-C does not leave half of it behind."""
    progress(f"ending lab {lab.name}")
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in signals]
    try:
        lifecycle.down(lab, progress)
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _settle(world: World) -> None:
    """The namespace, its service account and the two Services."""
    account = f"/api/v1/namespaces/{workload.NAMESPACE}/serviceaccounts/default"
    create(world.api, "/api/v1/namespaces", {"metadata": {"name": workload.NAMESPACE}})
    wait_for("the namespace's service account", lambda: world.api.find(account))


def create(api: Api, path: str, body: dict[str, Any]) -> None:
    """POST; what is there already is fine."""
    try:
        api.call("POST", path, body)
    except ApiError as error:
        if error.code != 409:
            raise
