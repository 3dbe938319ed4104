"""Uninstalling takes the node parts away, and names the nodes where it could not."""

from __future__ import annotations

import json
from pathlib import Path

from podferry.cli import undo_nodes
from tests.unit.cli.test_install import Kubectl, call, kubectl, manifests

__all__ = ["kubectl", "manifests"]

_MAIN = {"name": "agent", "image": "ferry:1", "args": ["agent"], "ports": [{"hostPort": 9550}]}
_INIT = {"name": "install", "image": "ferry:1", "args": ["agent", "install"]}
AGENT = {
    "metadata": {"name": "podferry-agent"},
    "spec": {"template": {"spec": {"initContainers": [_INIT], "containers": [_MAIN],
                                   "volumes": [{"name": "tls"}]}}},
}  # fmt: skip


def node(name: str, ready: str) -> dict[str, object]:
    return {
        "metadata": {"name": name},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def cluster(nodes: list[dict[str, object]]) -> dict[str, str]:
    """Answers of a cluster with an agent on each node and no Migration."""
    pods = [
        {"metadata": {"namespace": "podferry-system", "name": f"pod-{one['metadata']['name']}"},  # type: ignore[index]
         "spec": {"nodeName": one["metadata"]["name"]}}  # type: ignore[index]
        for one in nodes
    ]  # fmt: skip
    return {
        "get*crd*": "echo",
        "get*daemonset/podferry-agent*": f"echo '{json.dumps(AGENT)}'",
        "get*nodes*": f"echo '{json.dumps({'items': nodes})}'",
        "get*pods*": f"echo '{json.dumps({'items': pods})}'",
        "get*deployment*": "echo 2",
    }


def test_the_controller_stops_before_a_node_is_undone_and_the_objects_go_last(
    kubectl: Kubectl, manifests: Path
) -> None:
    kubectl.answer(cluster([node("a", "True"), node("b", "True")]))
    done = call("uninstall", "--manifests", manifests)
    assert done.exit_code == 0, done.output
    asked = [line for line in kubectl.asked if not line.startswith("get")]
    assert "--replicas=0" in asked[0]
    assert asked[1].startswith("delete mutatingwebhookconfiguration/podferry")
    assert asked[2].startswith("apply")
    assert asked[3].startswith("delete daemonset/podferry-agent")
    ready = [line for line in asked if "--for=condition=Ready" in line]
    assert ["nodeName=a" in ready[0], "nodeName=b" in ready[1]] == [True, True]
    assert "-k" in asked[-1]


def test_a_node_that_is_away_is_named_with_the_command_to_run_there(
    kubectl: Kubectl, manifests: Path
) -> None:
    kubectl.answer(cluster([node("a", "True"), node("b", "Unknown")]))
    done = call("uninstall", "--manifests", manifests)
    assert done.exit_code == 1
    assert "left on 1 nodes" in done.output
    assert "  b: its kubelet does not answer" in done.output
    assert "ferry:1 podferry-undo /usr/bin/python3 -m podferry.cli.main agent undo" in done.output
    assert not any("nodeName=b" in line for line in kubectl.asked)
    assert any(line.startswith("delete pod/pod-b") and "--force" in line for line in kubectl.asked)
    assert not any(line.startswith("delete pod/pod-a") for line in kubectl.asked)
    assert any("-k" in line for line in kubectl.asked)


def test_a_node_that_cannot_be_undone_keeps_the_objects_for_another_try(
    kubectl: Kubectl, manifests: Path
) -> None:
    kubectl.answer(
        {
            **cluster([node("a", "True")]),
            "wait*Ready*": "echo timed out >&2; exit 1",
            "logs*": "echo 'wrapper  refused  1 container still runs'",
        }
    )
    done = call("uninstall", "--manifests", manifests)
    assert done.exit_code == 1
    assert "node a could not be undone" in done.output
    assert "1 container still runs" in done.output
    assert not any("-k" in line for line in kubectl.asked)


def test_a_migration_made_meanwhile_starts_the_controller_again(
    kubectl: Kubectl, manifests: Path, tmp_path: Path
) -> None:
    going = {"items": [{"metadata": {"name": "late", "namespace": "shop"}, "status": {}}]}
    stopped = tmp_path / "stopped"
    text, none = json.dumps(going), json.dumps({"items": []})
    kubectl.answer(
        {
            **cluster([]),
            "get*crd*": "echo there",
            "get*migrations*": f"[ -e {stopped} ] && echo '{text}' || echo '{none}'",
            "scale*replicas=0*": f"touch {stopped}",
        }
    )
    done = call("uninstall", "--manifests", manifests)
    assert done.exit_code == 1
    assert "shop/late" in done.output
    assert kubectl.asked[-1].startswith("scale")
    assert "--replicas=2" in kubectl.asked[-1]


def test_the_undoing_pod_waits_for_the_end_of_the_agent_and_needs_none_of_its_secrets() -> None:
    made = undo_nodes.manifest(AGENT, force=True)["spec"]["template"]["spec"]
    assert made["initContainers"][0]["args"] == ["agent", "undo", "--force"]
    assert made["containers"][0]["ports"] == _MAIN["ports"]
    assert made["volumes"] == []
