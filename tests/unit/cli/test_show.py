"""`list`, `describe` and `cancel` against a fake API server."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from podferry.cli.main import cli
from tests.unit.cli.conftest import MIGRATIONS, Cluster, Object, moved, running


def migration(name: str, status: Object | None) -> Object:
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"workloadRef": {"kind": "Deployment", "name": "web"}, "targetNode": "node-b"},
        "status": status,
    }


def call(cluster: Cluster, *args: str) -> Result:
    return CliRunner().invoke(cli, [*args, "--kubeconfig", str(cluster.kubeconfig)])


def test_list_shows_freeze_beside_its_prediction(cluster: Cluster) -> None:
    cluster.seed(MIGRATIONS, migration("web-1", moved()))
    cluster.seed(MIGRATIONS, migration("web-2", None))
    lines = call(cluster, "list").output.splitlines()
    assert lines[0].split() == [
        "NAME", "PHASE", "WORKLOAD", "FROM", "TO", "FREEZE", "PREDICTED", "MOVED", "AGE",
    ]  # fmt: skip
    rows = {line.split()[0]: line.split() for line in lines[1:]}
    assert rows["web-1"][1:-1] == [
        "Succeeded", "deployment/web", "node-a", "node-b", "0.912", "s", "0.900", "s", "258.0",
        "MiB",
    ]  # fmt: skip
    assert rows["web-2"][1:-1] == ["Pending", "deployment/web", "?", "node-b", "-", "-", "-"]


def test_list_of_all_namespaces_names_them(cluster: Cluster) -> None:
    cluster.seed(MIGRATIONS.replace("shop", "bank"), {**migration("x", None), "metadata": {
        "name": "x", "namespace": "bank"}})  # fmt: skip
    lines = call(cluster, "list", "-A").output.splitlines()
    assert lines[0].startswith("NAMESPACE")
    assert lines[1].startswith("bank")


def test_an_empty_list_says_how_to_make_one(cluster: Cluster) -> None:
    done = call(cluster, "list")
    assert done.exit_code == 0
    assert "podferry migrate KIND/NAME" in done.output


def test_describe_shows_conditions_and_attempts(cluster: Cluster) -> None:
    condition = {"type": "Accepted", "status": "True", "reason": "ChecksPassed", "message": "good"}
    attempt = {"number": 1, "result": "RolledBack", "reason": "SealFailed", "message": "late"}
    cluster.seed(MIGRATIONS, migration("web-1", moved(conditions=[condition], attempts=[attempt])))
    text = call(cluster, "describe", "web-1").output
    assert "Accepted        True    ChecksPassed         good" in text
    assert "1  RolledBack  SealFailed: late" in text
    assert "freeze      0.912 s        predicted 0.900 s, 95 % below 1.300 s" in text


def test_describe_of_a_name_that_is_not_there_is_exit_code_1(cluster: Cluster) -> None:
    done = call(cluster, "describe", "nothing")
    assert done.exit_code == 1
    assert "nothing" in done.output


def test_cancel_sets_nothing_but_cancel(cluster: Cluster) -> None:
    before = cluster.seed(MIGRATIONS, migration("web-1", running("Freezing")))
    done = call(cluster, "cancel", "web-1")
    assert done.exit_code == 0
    after = cluster.server.object(f"{MIGRATIONS}/web-1")
    assert after is not None
    assert after["spec"] == {**before["spec"], "cancel": True}
    assert after["status"] == before["status"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (moved(), "already ended Succeeded"),
        (running("Committed", decision="Committed"), "is committed already"),
    ],
)
def test_cancel_says_when_it_is_too_late(cluster: Cluster, status: Object, said: str) -> None:
    cluster.seed(MIGRATIONS, migration("web-1", status))
    done = call(cluster, "cancel", "web-1")
    assert done.exit_code == 1
    assert said in done.output


def test_cancel_takes_back_a_committed_move_that_lost_its_pages(cluster: Cluster) -> None:
    lost = {"type": "Paging", "status": "True", "reason": "PagesLost", "message": "x"}
    status = running("Paging", decision="Committed")
    cluster.seed(MIGRATIONS, migration("web-1", {**status, "conditions": [lost]}))
    done = call(cluster, "cancel", "web-1")
    assert done.exit_code == 0
    assert "was asked to stop" in done.output
