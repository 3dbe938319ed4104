"""`podferry nodes` shows what the controller published, and why where it published nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from podferry.cli import node_facts
from podferry.cli import nodes as nodes_command
from podferry.cli.main import cli
from tests.fakes.apiserver import Recorded
from tests.fakes.model import Refused
from tests.unit.cli.conftest import Cluster, Object

CONFIG_MAPS = "/api/v1/namespaces/podferry-system/configmaps"
FACTS = {
    "agentVersion": "0.1.0",
    "criuVersion": "4.2.1",
    "runcVersion": "1.4.3",
    "cgroup": "v1",
    "userfaultfd": True,
    "softDirty": False,
    "handlerInstalled": True,
    "cpuFeatures": ["avx", "avx2"],
    "problems": [],
}


def publish(cluster: Cluster, told: dict[str, Object]) -> None:
    """What the controller would write."""
    data = {name: json.dumps(facts) for name, facts in told.items()}
    cluster.seed(CONFIG_MAPS, {"metadata": {"name": "podferry-nodes"}, "data": data})


def node(name: str, **spec: object) -> Object:
    ready = {"type": "Ready", "status": "True"}
    return {"metadata": {"name": name}, "spec": spec, "status": {"conditions": [ready]}}


def call(cluster: Cluster, *args: str) -> Result:
    return CliRunner().invoke(cli, ["nodes", *args, "--kubeconfig", str(cluster.kubeconfig)])


def test_nodes_shows_what_each_lacks_and_where_the_cpus_differ(cluster: Cluster) -> None:
    cluster.seed("/api/v1/nodes", node("node-a"))
    cluster.seed("/api/v1/nodes", node("node-b", unschedulable=True))
    cluster.seed("/api/v1/nodes", node("node-c"))
    publish(cluster, {"node-a": FACTS, "node-b": {**FACTS, "cpuFeatures": ["avx"]}})
    lines = call(cluster).output.splitlines()
    rows = {line.split()[0]: line for line in lines if line}
    assert "soft-dirty tracking: no PreCopy" in lines[1]
    assert "it is Ready,cordoned: not a target" in lines[2]
    assert "no facts: its agent did not answer the controller lately: kubectl" in lines[3]
    assert rows["node-a"].split()[1:] == ["✓", "✗1", "?"]
    assert rows["node-b"].split()[1:] == ["✓", "✓", "?"]


def test_json_has_the_versions(cluster: Cluster) -> None:
    cluster.seed("/api/v1/nodes", node("node-a"))
    publish(cluster, {"node-a": FACTS})
    (row,) = json.loads(call(cluster, "-o", "json").stdout)
    assert (row["facts"]["criuVersion"], row["facts"]["runcVersion"]) == ("4.2.1", "1.4.3")


def test_before_the_first_facts_it_says_so_and_what_to_look_at(cluster: Cluster) -> None:
    cluster.seed("/api/v1/nodes", node("node-a"))
    done = call(cluster)
    assert done.exit_code == 0
    assert "no facts yet: the controller has written none" in done.stderr
    assert "kubectl -n podferry-system get pods" in done.stderr
    assert done.stdout.splitlines()[1].split()[:2] == ["node-a", "Ready"]


def test_who_may_not_read_the_facts_is_told_the_missing_right(cluster: Cluster) -> None:
    def refuse(seen: Recorded) -> Refused | None:
        if not seen.path.startswith(CONFIG_MAPS):
            return None
        return Refused(403, "Forbidden", "no")

    cluster.server.intercept = refuse
    cluster.seed("/api/v1/nodes", node("node-a"))
    done = call(cluster)
    assert done.exit_code == 0
    assert "you lack the right `get configmaps/podferry-nodes` in namespace podferry-system" in (
        done.stderr
    )
    assert "--role=podferry-nodes-view" in done.stderr


def test_old_facts_are_said_to_be_old(cluster: Cluster) -> None:
    cluster.seed("/api/v1/nodes", node("node-a"))
    publish(cluster, {"node-a": {**FACTS, "observedAt": "2020-01-01T00:00:00Z"}})
    assert "min old, so no controller is leading now" in call(cluster).stderr


def test_a_tainted_node_is_named_with_its_taint() -> None:
    taint = {"key": "gpu", "effect": "NoSchedule"}
    told = node_facts.Told({"n": FACTS})
    found = nodes_command.lacks(node("n", taints=[taint]), told)
    assert found[0] == "tainted gpu: a target only for pods that tolerate it"


@pytest.mark.parametrize("text", ["{", "[]", '"x"', ""])
def test_facts_that_are_no_json_object_are_no_facts(text: Any) -> None:
    assert node_facts.parsed({"n": text, "m": "{}"}) == {"m": {}}
