"""`podferry drain` against a fake API server: who is moved, who stays, and how it ends."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from podferry.cli import drain_run
from podferry.cli.drain_plan import Fate, plan
from podferry.cli.main import cli
from tests.fakes.apiserver import Recorded, Refused
from tests.unit.cli.conftest import MIGRATIONS, Cluster, Object, moved
from tests.unit.cli.test_probe import POD, node

PODS = "/api/v1/namespaces/shop/pods"


def owned(pod: Object, kind: str) -> Object:
    made = copy.deepcopy(pod)
    made["metadata"]["ownerReferences"] = [
        {"kind": kind, "name": "o", "uid": "o", "controller": True}
    ]
    return made


def pod(name: str, **more: Any) -> Object:
    made = copy.deepcopy(POD)
    made["metadata"].update(name=name, uid=f"u-{name}", **more)
    return made


def stuck(name: str) -> Object:
    """One that has an owner and never opted in."""
    made = owned(pod(name), "ReplicaSet")
    del made["spec"]["runtimeClassName"]
    return made


@pytest.fixture
def shop(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(drain_run, "ROUND_SECONDS", 0.01)
    monkeypatch.setattr(drain_run, "EVICT_AGAIN_SECONDS", 0.0)
    cluster.server.pods_end_at_once = True
    for one in (node("node-a"), node("node-b")):
        cluster.seed("/api/v1/nodes", one)
    return cluster


def call(cluster: Cluster, *args: str) -> Result:
    command = ["drain", "node-a", *args, "--kubeconfig", str(cluster.kubeconfig)]
    return CliRunner().invoke(cli, command)


def ferry(cluster: Cluster, phase: str = "Succeeded") -> None:
    """Plays the controller: each Migration that is listed ends, and its pod with it."""

    def arrived(seen: Recorded) -> None:
        if seen.method == "GET" and seen.path.endswith("/migrations"):
            for item in cluster.server.objects(MIGRATIONS):
                if item.get("status"):
                    continue
                name = item["metadata"]["name"]
                status = moved() if phase == "Succeeded" else refused(phase)
                cluster.server.patch(f"{MIGRATIONS}/{name}", {"status": status})
                if phase == "Succeeded":
                    cluster.server.remove(f"{PODS}/{item['spec']['workloadRef']['name']}")

    cluster.server.intercept = arrived


def refused(phase: str, reason: str = "IOUring") -> Object:
    condition = {"type": "Succeeded", "status": "False", "reason": reason, "message": "it has one"}
    return {"phase": phase, "conditions": [condition]}


def migrations(cluster: Cluster) -> list[str]:
    return [m["spec"]["workloadRef"]["name"] for m in cluster.server.objects(MIGRATIONS)]


def test_movable_pods_are_moved_and_the_node_stays_cordoned(shop: Cluster) -> None:
    for name in ("a", "b", "c"):
        shop.seed(PODS, pod(name))
    ferry(shop)
    done = call(shop)
    assert done.exit_code == 0, done.output
    assert sorted(migrations(shop)) == ["a", "b", "c"]
    asked = {"podferry.dev/requested-by": "drain"}
    assert [one["metadata"]["labels"] for one in shop.server.objects(MIGRATIONS)] == [asked] * 3
    assert "3 moved, 0 evicted, 0 left on node-a" in done.output
    raw = shop.server.object("/api/v1/nodes/node-a")
    assert raw is not None
    assert raw["spec"]["unschedulable"] is True
    assert raw["metadata"]["annotations"] == {"podferry.dev/cordoned-by": "podferry-drain"}


def test_a_dry_run_prints_each_verdict_and_writes_nothing(shop: Cluster) -> None:
    shop.seed(PODS, pod("a"))
    shop.seed(PODS, stuck("b"))
    shop.seed(PODS, owned(pod("d"), "DaemonSet"))
    done = call(shop, "--dry-run")
    assert done.exit_code == 1, done.output
    assert "1 to move, 1 staying; not counted: 1 of DaemonSets, 0 static, 0 ended" in done.output
    assert "move     shop/a  to one of node-b" in done.output
    assert "stays    shop/b  NotOptedIn:" in done.output
    assert {seen.method for seen in shop.server.requests} == {"GET"}


def test_what_cannot_be_moved_is_listed_and_stays(shop: Cluster) -> None:
    shop.seed(PODS, stuck("b"))
    done = call(shop)
    assert done.exit_code == 1
    assert "1 left on node-a" in done.output
    assert "--evict-others evicts those that can never be moved" in done.output
    assert len(shop.server.objects(PODS)) == 1


def test_a_disruption_budget_is_asked_again_until_it_gives_way(shop: Cluster) -> None:
    shop.seed(PODS, stuck("b"))
    tries: list[str] = []

    def arrived(seen: Recorded) -> Refused | None:
        if not seen.path.endswith("/eviction"):
            return None
        tries.append(seen.path)
        return Refused(429, "TooManyRequests", "budget b") if len(tries) < 3 else None

    shop.server.intercept = arrived
    done = call(shop, "--evict-others")
    assert done.exit_code == 0, done.output
    assert len(tries) == 3
    assert done.output.count("not evicted yet, asked again") == 1
    assert "1 evicted, 0 left" in done.output


def test_a_pod_without_an_owner_is_never_evicted(shop: Cluster) -> None:
    bare = stuck("b")
    del bare["metadata"]["ownerReferences"]
    shop.seed(PODS, bare)
    done = call(shop, "--evict-others")
    assert done.exit_code == 1
    assert "pods without an owner are never evicted" in done.output
    assert not [seen for seen in shop.server.requests if seen.path.endswith("/eviction")]


def test_a_move_that_was_rolled_back_is_tried_once_and_its_pod_is_not_evicted(
    shop: Cluster,
) -> None:
    shop.seed(PODS, owned(pod("a"), "ReplicaSet"))
    ferry(shop, "RolledBack")
    done = call(shop, "--evict-others")
    assert done.exit_code == 1, done.output
    assert migrations(shop) == ["a"]
    assert "failed   shop/a  RolledBack: IOUring: it has one" in done.output
    assert len(shop.server.objects(PODS)) == 1


def test_one_that_the_agent_refuses_for_good_is_evicted(shop: Cluster) -> None:
    shop.seed(PODS, owned(pod("a"), "ReplicaSet"))
    ferry(shop, "Failed")
    done = call(shop, "--evict-others")
    assert done.exit_code == 0, done.output
    assert "1 evicted" in done.output


def test_a_second_run_goes_on_with_a_move_that_is_under_way(shop: Cluster) -> None:
    shop.seed(PODS, pod("a"))
    spec = {"workloadRef": {"kind": "Pod", "name": "a"}}
    shop.seed(MIGRATIONS, {"metadata": {"name": "m", "namespace": "shop"}, "spec": spec})
    looks: list[str] = []

    def arrived(seen: Recorded) -> None:
        if seen.method == "GET" and seen.path.endswith("/migrations"):
            looks.append(seen.path)
            if len(looks) == 3:
                shop.server.patch(f"{MIGRATIONS}/m", {"status": moved()})
                shop.server.remove(f"{PODS}/a")

    shop.server.intercept = arrived
    done = call(shop, "-o", "json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["drained"] is True
    assert [(m["migration"], m["phase"]) for m in told["moves"]] == [("m", "Succeeded")]
    assert migrations(shop) == ["a"]


def test_no_more_moves_at_a_time_than_asked_for(shop: Cluster) -> None:
    for name in ("a", "b", "c"):
        shop.seed(PODS, pod(name))
    done = call(shop, "--at-once", "2", "--timeout", "200ms")
    assert done.exit_code == 1
    assert len(migrations(shop)) == 2
    assert "the time is over; moves that began go on" in done.output


def test_a_target_of_a_move_onto_the_node_is_waited_for_and_not_moved() -> None:
    arriving = pod("t", annotations={"podferry.dev/restore": "m1.1"})
    going = {"metadata": {"name": "m", "namespace": "shop", "uid": "m1"}, "status": {}}
    assert [item.fate for item in plan([arriving], [going], {}).items] == [Fate.ARRIVING]


def test_a_node_that_does_not_exist_is_one_line_and_an_exit_code(shop: Cluster) -> None:
    done = CliRunner().invoke(cli, ["drain", "node-x", "--kubeconfig", str(shop.kubeconfig)])
    assert done.exit_code == 1
    assert "node-x" in done.output
    assert migrations(shop) == []


def test_a_kept_name_that_left_its_node_is_followed_to_its_end(shop: Cluster) -> None:
    status = {
        "phase": "Committed",
        "source": {"node": "node-a", "pod": "db-0", "uid": "u"},
        "target": {"node": "node-b"},
    }
    spec = {"workloadRef": {"kind": "Pod", "name": "db-0"}}
    metadata = {"name": "m", "namespace": "shop"}
    shop.seed(MIGRATIONS, {"metadata": metadata, "spec": spec, "status": status})
    looks: list[str] = []

    def arrived(seen: Recorded) -> None:
        if seen.method == "GET" and seen.path.endswith("/migrations"):
            looks.append(seen.path)
            if len(looks) == 4:
                shop.server.patch(f"{MIGRATIONS}/m", {"status": moved()})

    shop.server.intercept = arrived
    done = call(shop, "-o", "json")
    assert done.exit_code == 0, done.output
    assert [m["phase"] for m in json.loads(done.stdout)["moves"]] == ["Succeeded"]
