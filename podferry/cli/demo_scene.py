"""What the rescue scene is made of: two services that grow, the policy, and looking at kubelet.

Owns sizes, manifests and the questions to the cluster. It judges nothing and prints nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from podferry.api.quantity import parse_bytes
from podferry.cli import demo_objects
from podferry.cli.demo_world import NAMESPACE, READY_SECONDS, DemoError, World
from podferry.cli.install import InstallError
from podferry.lab.cluster import inspect
from podferry.lab.cluster.proc import run

MIB = 2**20
Object = dict[str, Any]
HOME, AWAY = "node-a", "node-b"
POLICY = "demo"
ROOM_MIB = 400
"""What node-a has left above kubelet's threshold when the services begin to grow."""
GROWTH = {"orders": 5.0, "reports": 3.5}
"""MiB/s. Together less in the 10 s between two looks of kubelet than its threshold, 100 MiB: the
kernel's OOM killer would come before kubelet otherwise."""
GROW_SECONDS = 62.0
"""So long they grow: less than twice what ROOM_MIB holds, so that each alone finds room."""
SHARE = {"orders": 0.55, "reports": 0.45}
"""Of what they hold together at first; orders is then the one that kubelet takes."""
RULES: Object = {
    "detector": {
        "name": "time-to-exhaustion",
        "args": {"reservePercent": 1, "margin": 15, "window": 10, "lookAhead": 60},
    },
    "victim": {
        "name": "steepest-slope",
        "args": {
            "minSlope": "60Mi",
            "lookAhead": 60,
            "window": 10,
            "otherwise": {"name": "cost-benefit", "args": {"window": 10, "several": False}},
        },
    },
    "target": {"name": "least-peak", "args": {"freePercent": 10, "lookAhead": 60, "window": 10}},
    "gates": [{"name": "concurrent"}],
}
"""The plug-ins of the demo's policy, for growth of minutes and not of hours."""

_USED = """
cd /sys/fs/cgroup/memory 2>/dev/null && set -- memory.usage_in_bytes total_inactive_file ||
{ cd /sys/fs/cgroup && set -- memory.current inactive_file; }
cat $1 && sed -n "s/^$2 //p" memory.stat
"""


@dataclass(frozen=True, slots=True)
class Eviction:
    """One pod that kubelet evicted."""

    pod: str
    service: str
    message: str


def policy(mode: str) -> Object:
    """The demo's RescuePolicy in `mode`."""
    spec = {**RULES, "mode": mode, "periodSeconds": 1, "copy": "PostCopy"}
    return {
        "apiVersion": "podferry.dev/v1alpha1",
        "kind": "RescuePolicy",
        "metadata": {"name": POLICY},
        "spec": spec,
    }


def curve(start: float, growth: float, seconds: float) -> str:
    """A service's CURVE: it grows from `start` MiB at `growth` MiB/s for so long, then stays."""
    return f"0,{start:.0f} {seconds:g},{start + growth * seconds:.0f}"


def starts(available: float, threshold: float) -> dict[str, float]:
    """Return what each service holds at first [MiB], so that ROOM_MIB are left on the node.

    Args:
        available: of the node without them [MiB].
        threshold: at which kubelet evicts [MiB].

    Raises:
        DemoError: the node is too small, with what it lacks.
    """
    together = available - threshold - ROOM_MIB
    if together < ROOM_MIB:
        raise DemoError(
            f"{HOME} has {available:.0f} MiB available and {threshold:.0f} MiB are kubelet's "
            f"threshold; the scene needs {2 * ROOM_MIB + threshold:.0f} MiB"
        )
    return {name: together * share for name, share in SHARE.items()}


def workload(
    name: str, curve: str, *, namespace: str = NAMESPACE, node: str = HOME, request: int = 64
) -> list[Object]:
    """A Service and a Deployment of one pod that follows a curve and prefers `node`.

    Args:
        name: of both.
        curve: see lab/images/src/curve.h.
        namespace: of both.
        node: where the pod starts if there is room.
        request: memory that it asks for [MiB]; kubelet evicts first what uses most above it.
    """
    env = {"MB": "2", "CURVE": curve}
    return demo_objects.served(name, namespace=namespace, node=node, env=env, request=request)


def clear(world: World, namespace: str = NAMESPACE) -> None:
    """Remove what an earlier scene left: services, their pods and records, the policy."""
    kubectl = world.kubectl
    kubectl.run("delete", "rescuepolicies", "--all", "--ignore-not-found")
    kinds = "deployments,services,migrations"
    try:
        kubectl.run("delete", kinds, "--all", "-n", namespace, "--cascade=foreground",
                    "--timeout=90s")  # fmt: skip
        kubectl.run("delete", "pods", "--all", "-n", namespace, "--timeout=90s")
    except InstallError as error:
        raise DemoError(f"the scene before cannot be cleared: {error}") from None


def calm(world: World, progress: Callable[[str], None]) -> None:
    """Make kubelets that still report pressure of an earlier scene look anew.

    kubelet keeps a condition for five minutes after it is over; a new one looks for itself.
    """
    for node in _nodes(world):
        if condition(node, "MemoryPressure") != "True":
            continue
        name = node["metadata"]["name"]
        progress(f"{name} still reports the memory pressure of before: its kubelet is started anew")
        kill = "kill -9 $(pgrep -f 'kubelet --config' | head -1)"
        run(inspect.exec_argv(world.lab, name, ["sh", "-c", kill]))
        quiet = (f"node/{name}", "--for=condition=MemoryPressure=False", "--timeout=120s")
        world.kubectl.run("wait", *quiet)


def condition(node: Object, kind: str) -> str:
    """Status of a node's condition; empty where it has none of that type."""
    found: list[Object] = list(node["status"].get("conditions", ()))
    return next((str(each["status"]) for each in found if each["type"] == kind), "")


def start(world: World, sizes: dict[str, float], namespace: str = NAMESPACE) -> None:
    """Start both services on node-a and wait until they answer."""
    objects: list[Object] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    ]
    for name, size in sizes.items():
        objects += workload(name, curve(size, GROWTH[name], GROW_SECONDS), namespace=namespace)
    apply(world, objects)
    for name in sizes:
        limit = f"--timeout={READY_SECONDS}s"
        world.kubectl.run("rollout", "status", f"deployment/{name}", "-n", namespace, limit)


def apply(world: World, objects: Iterable[Object]) -> None:
    """Apply objects; InstallError where the API server refuses one."""
    world.kubectl.run("apply", "-f", "-", data=yaml.safe_dump_all(objects, sort_keys=False))


def available(world: World, node: str) -> float:
    """What the node has available as kubelet counts it, at this moment [MiB].

    From the node's own cgroup: kubelet's summary may be ten seconds old.
    """
    used, idle = run(inspect.exec_argv(world.lab, node, ["sh", "-c", _USED])).split()
    return capacity(world, node) - (int(used) - int(idle)) / MIB


def capacity(world: World, node: str) -> float:
    """Memory of the node as the API server has it [MiB]."""
    found = json.loads(world.kubectl.run("get", "node", node, "-o", "json"))
    return parse_bytes(found["status"]["capacity"]["memory"]) / MIB


def threshold(world: World, node: str) -> float:
    """kubelet's hard threshold for it, from its running configuration [MiB]."""
    said = json.loads(world.kubectl.run("get", "--raw", f"/api/v1/nodes/{node}/proxy/configz"))
    return parse_bytes(said["kubeletconfig"]["evictionHard"]["memory.available"]) / MIB


def listed(world: World, kind: str, namespace: str = NAMESPACE) -> list[Object]:
    """All objects of a kind in the namespace."""
    found = json.loads(world.kubectl.run("get", kind, "-n", namespace, "-o", "json"))
    return list(found["items"])


def evictions(pods: Iterable[Object]) -> list[Eviction]:
    """The pods that kubelet evicted, by what it wrote into them. Pure.

    The phase does not tell: a program that ends in peace when asked leaves `Succeeded`.
    """
    found = []
    for pod in pods:
        for each in pod["status"].get("conditions", ()):
            if each["type"] == "DisruptionTarget" and each.get("reason") == "TerminationByKubelet":
                labels = pod["metadata"].get("labels") or {}
                name, said = pod["metadata"]["name"], str(each.get("message", ""))
                found.append(Eviction(name, str(labels.get("app", "")), said))
    return found


def oom_kills(pods: Iterable[Object]) -> dict[str, str]:
    """The containers that the kernel killed for want of memory -> name of their pod. Pure."""
    found = {}
    for pod in pods:
        for status in pod["status"].get("containerStatuses", ()):
            for state in (status.get("state") or {}, status.get("lastState") or {}):
                ended = state.get("terminated") or {}
                if ended.get("reason") == "OOMKilled":
                    found[str(ended.get("containerID", ""))] = str(pod["metadata"]["name"])
    return found


def decision(world: World) -> Object:
    """What the policy decided last about node-a, from its status; empty: nothing yet."""
    found = json.loads(world.kubectl.run("get", "rescuepolicy", POLICY, "-o", "json"))
    for node in (found.get("status") or {}).get("nodes", ()):
        if node["name"] == HOME:
            return dict(node.get("lastDecision") or {})
    return {}


def _nodes(world: World) -> list[Object]:
    return list(json.loads(world.kubectl.run("get", "nodes", "-o", "json"))["items"])
