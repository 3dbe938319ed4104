"""Undoing the node parts of every node by a DaemonSet that takes the agents' place.

Owns: that DaemonSet, the waiting, the list of nodes where something is left. Never does: touch a
node itself; `podferry agent undo` does, in an init container.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from podferry.cli.install import InstallError, Kubectl, Progress
from podferry.wire.names import SYSTEM_NAMESPACE

AGENT = "podferry-agent"
UNDO = "podferry-undo"
WAIT_SECONDS = 120
_SYSTEM = ("-n", SYSTEM_NAMESPACE)
_LABEL = "app.kubernetes.io/name"
_IDLE = ["python3", "-c", "import signal; signal.pause()"]


@dataclass(frozen=True, slots=True)
class Left:
    """A node where parts of podferry stay, why, and the image that can undo them there."""

    node: str
    why: str
    image: str


def away(nodes: Mapping[str, Any]) -> list[str]:
    """Names of nodes of a NodeList whose kubelet does not say Ready."""

    def ready(node: Mapping[str, Any]) -> bool:
        conditions = (node.get("status") or {}).get("conditions") or []
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    return sorted(node["metadata"]["name"] for node in nodes["items"] if not ready(node))


def manifest(agent: Mapping[str, Any], *, force: bool) -> dict[str, Any]:
    """The DaemonSet that undoes what the DaemonSet `agent` installed, on the same nodes.

    Its init container undoes; its container only waits, so that Ready means undone.
    """
    labels = {_LABEL: UNDO}
    pod = copy.deepcopy(agent["spec"]["template"]["spec"])
    init, main = pod["initContainers"][0], pod["containers"][0]
    init |= {"name": "undo", "args": ["agent", "undo", *(["--force"] if force else [])]}
    # With the agent's host ports no node gets this pod before its agent has ended.
    kept = ("image", "imagePullPolicy", "resources", "ports")
    waits = {key: main[key] for key in kept if key in main}
    pod["initContainers"] = [init]
    pod["containers"] = [{"name": "undone", "command": _IDLE, **waits}]
    # The agents' secret is not needed, and the grace is for nobody.
    pod |= {"volumes": [], "terminationGracePeriodSeconds": 1}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": UNDO, "namespace": SYSTEM_NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def told(left: list[Left]) -> str:
    """What is left where, and what to do there."""
    lines = "".join(
        f"\n  {one.node}: {one.why}\n    ctr -n k8s.io run --rm --privileged --net-host "
        f"--with-ns pid:/proc/1/ns/pid {one.image} podferry-undo "
        "/usr/bin/python3 -m podferry.cli.main agent undo"
        for one in left
    )
    return (
        f"parts of podferry are left on {len(left)} nodes; everything else was removed. Run there, "
        f"as root, once the node is back:{lines}"
    )


def everywhere(kubectl: Kubectl, progress: Progress, *, force: bool) -> list[Left]:
    """Undo every node that answers; return the others. Nothing to do where no agent was installed.

    Raises InstallError where a node that answers could not be undone: the rest stays then, so that
    the command can be repeated.
    """
    agent = _daemonset(kubectl, AGENT)
    undo = _daemonset(kubectl, UNDO)
    if agent is None and undo is None:
        return []
    if agent is not None:
        undo = manifest(agent, force=force)
    assert undo is not None
    gone = away(json.loads(kubectl.run("get", "nodes", "-o", "json")))
    # Before the agents go: an interrupted uninstall finds one or the other.
    kubectl.run("apply", "--server-side", "--force-conflicts", "-f", "-", data=json.dumps(undo))
    kubectl.run("delete", f"daemonset/{AGENT}", *_SYSTEM, "--ignore-not-found", "--wait=false")
    _forget_pods(kubectl, gone)
    progress("undoing the node parts")
    _wait(kubectl, gone)
    kubectl.run("delete", f"daemonset/{UNDO}", *_SYSTEM, "--wait=false")
    _forget_pods(kubectl, gone)
    image = undo["spec"]["template"]["spec"]["containers"][0]["image"]
    return [Left(node, "its kubelet does not answer", image) for node in gone]


def _daemonset(kubectl: Kubectl, name: str) -> dict[str, Any] | None:
    text = kubectl.run(
        "get", f"daemonset/{name}", *_SYSTEM, "--ignore-not-found", "-o", "json"
    ).strip()
    if not text:
        return None
    found: dict[str, Any] = json.loads(text)
    return {**found, "metadata": {"name": name, "namespace": SYSTEM_NAMESPACE}}


def _pods(kubectl: Kubectl, name: str) -> list[dict[str, Any]]:
    found = json.loads(kubectl.run("get", "pods", *_SYSTEM, "-l", f"{_LABEL}={name}", "-o", "json"))
    return list(found["items"])


def _forget_pods(kubectl: Kubectl, gone: list[str]) -> None:
    """Nobody on a node that is away confirms the end of a pod; the namespace would wait for it."""
    for name in (AGENT, UNDO) if gone else ():
        for pod in _pods(kubectl, name):
            if pod["spec"].get("nodeName") in gone:
                kubectl.run(
                    "delete", f"pod/{pod['metadata']['name']}", *_SYSTEM,
                    "--force", "--grace-period=0", "--ignore-not-found",
                )  # fmt: skip


def _wait(kubectl: Kubectl, gone: list[str]) -> None:
    nodes = json.loads(kubectl.run("get", "nodes", "-o", "json"))["items"]
    for name in sorted(node["metadata"]["name"] for node in nodes):
        if name in gone:
            continue
        select = ("-l", f"{_LABEL}={UNDO}", f"--field-selector=spec.nodeName={name}")
        limit = f"--timeout={WAIT_SECONDS}s"
        try:
            kubectl.run("wait", "--for=create", "pod", *select, *_SYSTEM, limit)
            kubectl.run("wait", "--for=condition=Ready", "pod", *select, *_SYSTEM, limit)
        except InstallError as error:
            said = kubectl.run("logs", *_SYSTEM, "-l", f"{_LABEL}={UNDO}", "-c", "undo",
                               "--prefix", "--tail=5", "--ignore-errors")  # fmt: skip
            raise InstallError(
                f"node {name} could not be undone: {error}\n{said}Controller and webhook are "
                "stopped; put right what it says, then run `podferry uninstall` again"
            ) from None
