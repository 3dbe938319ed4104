"""`podferry support-bundle`: what is in it, what is never in it, and what is said of the rest."""

from __future__ import annotations

import json
import stat
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from podferry.cli import bundle_contents, bundle_logs
from podferry.cli.bundle_file import FOLDER, packed
from podferry.cli.main import cli
from tests.fakes.apiserver import Recorded, Refused
from tests.unit.cli.conftest import MIGRATIONS, Cluster, Object, moved
from tests.unit.cli.test_nodes import CONFIG_MAPS, FACTS, publish

CANARY = "canary-8f1c"
SYSTEM = "/api/v1/namespaces/podferry-system/pods"
PODS = "/api/v1/namespaces/shop/pods"
EVENTS = "/apis/events.k8s.io/v1/namespaces"
UID = "0f0f0f0f-1111"
AGENT = ("podferry-system", "podferry-agent-1", "agent")


def ours(name: str, container: str, **status: object) -> Object:
    told = {"name": container, "image": "podferry:1", "imageID": "sha256:1", **status}
    return {
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/name": name.rpartition("-")[0]},
        },
        "spec": {"nodeName": "node-b", "containers": [{"name": container}]},
        "status": {"phase": "Running", "containerStatuses": [told]},
    }


def workload() -> Object:
    """A pod with the canary wherever a tenant's secrets may be."""
    probe = {"exec": {"command": ["x", CANARY]}, "periodSeconds": 3}
    header = {"name": "Authorization", "value": CANARY}
    ended = {"exitCode": 1, "reason": "Error", "message": CANARY}
    labels = {"podferry.dev/migratable": "true", "tenant": CANARY}
    return {
        "metadata": {
            "name": "web-2",
            "labels": labels,
            "annotations": {
                "podferry.dev/migration": UID,
                "podferry.dev/detached-labels": json.dumps({"app": CANARY}),
                "tenant.example/token": CANARY,
                "notpodferry.dev/token": CANARY,
            },
            "managedFields": [{"manager": CANARY}],
        },
        "spec": {
            "nodeName": "node-b",
            "containers": [
                {
                    "name": "app",
                    "image": "app:1",
                    "env": [{"name": "TOKEN", "value": CANARY}],
                    "args": ["--token", CANARY],
                    "command": ["run", CANARY],
                    "livenessProbe": probe,
                    "readinessProbe": {"httpGet": {"httpHeaders": [header]}},
                    "lifecycle": {"preStop": {"exec": {"command": [CANARY]}}},
                    "volumeMounts": [{"name": "v", "mountPath": "/v", "subPathExpr": CANARY}],
                }
            ],
            "volumes": [{"name": "v", "csi": {"volumeAttributes": {"key": CANARY}}}],
            "hostAliases": [{"hostnames": [CANARY]}],
        },
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "False", "message": "kept condition"}],
            "containerStatuses": [
                {"name": "app", "restartCount": 1, "lastState": {"terminated": ended},
                 "state": {"waiting": {"reason": "RunContainerError", "message": CANARY}}}
            ],
        },
    }  # fmt: skip


def migration(**more: object) -> Object:
    failed = {"type": "Succeeded", "status": "True", "reason": "Moved", "message": "told-6a6a"}
    status = moved(conditions=[failed], detachedLabels={"app": CANARY})
    last = "kubectl.kubernetes.io/last-applied-configuration"
    return {
        "metadata": {"name": "m1", "uid": UID, "annotations": {last: CANARY}},
        "spec": {"workloadRef": {"kind": "Deployment", "name": "web"}},
        "status": status,
        **more,
    }


@pytest.fixture
def shop(cluster: Cluster) -> Cluster:
    """A move that ended, its replacement, one controller, one agent that was restarted."""
    cluster.seed(MIGRATIONS, migration())
    cluster.seed(PODS, workload())
    cluster.seed(PODS, {"metadata": {"name": "other"}, "spec": {}})
    cluster.seed(
        "/api/v1/namespaces/shop/secrets", {"metadata": {"name": "s"}, "data": {"a": CANARY}}
    )
    cluster.seed(
        "/api/v1/namespaces/shop/configmaps", {"metadata": {"name": "c"}, "data": {"a": CANARY}}
    )
    cluster.seed(CONFIG_MAPS, {"metadata": {"name": "kube-root-ca.crt"}, "data": {"a": CANARY}})
    publish(cluster, {"node-b": FACTS})
    cluster.seed("/api/v1/nodes", {
        "metadata": {"name": "node-b", "annotations": {"x/y": CANARY}, "labels": {"x": CANARY}},
        "spec": {"taints": [{"key": "k", "value": CANARY, "effect": "NoSchedule"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    })  # fmt: skip
    cluster.seed(SYSTEM, ours("podferry-controller-1", "controller"))
    cluster.seed(SYSTEM, ours(AGENT[1], "agent", lastState={"terminated": {"exitCode": 1}}))
    for kind, name, note in (("Migration", "m1", "note of m1"), ("Pod", "web-2", CANARY)):
        event = {"metadata": {"name": f"e-{name}"}, "regarding": {"kind": kind, "name": name}}
        cluster.seed(f"{EVENTS}/shop/events", {**event, "note": note})
    cluster.seed(f"{EVENTS}/podferry-system/events", {"metadata": {"name": "e"}, "note": "pulled"})
    cluster.server.logs = {
        ("podferry-system", "podferry-controller-1", "controller", False): "controller spoke\n",
        (*AGENT, False): "agent spoke\n",
        (*AGENT, True): "agent before\n",
        ("shop", "web-2", "app", False): CANARY,
    }
    return cluster


def call(cluster: Cluster, path: Path, *args: str) -> Result:
    argv = ["support-bundle", "-o", str(path), *args, "--kubeconfig", str(cluster.kubeconfig)]
    return CliRunner().invoke(cli, argv)


def files(path: Path) -> dict[str, bytes]:
    """Content by name, in the order of the archive."""
    with tarfile.open(path) as tar:
        found = {}
        for member in tar:
            stream = tar.extractfile(member)
            assert stream is not None
            found[member.name.removeprefix(f"{FOLDER}/")] = stream.read()
        return found


def test_it_holds_the_move_its_pods_the_logs_and_the_nodes(shop: Cluster, tmp_path: Path) -> None:
    done = call(shop, tmp_path / "b.tar.gz")
    assert done.exit_code == 0, done.output
    held = files(tmp_path / "b.tar.gz")
    assert list(held) == [
        "README.txt",
        "index.json",
        "logs/podferry-agent-1.agent.log",
        "logs/podferry-agent-1.agent.previous.log",
        "logs/podferry-controller-1.controller.log",
        "migrations-events.json",
        "migrations/m1.json",
        "node-facts.json",
        "nodes/node-b.json",
        "pods/web-2.json",
        "system/events.json",
        "system/pods/podferry-agent-1.json",
        "system/pods/podferry-controller-1.json",
        "versions.json",
    ]
    assert held["logs/podferry-agent-1.agent.previous.log"] == b"agent before\n"
    assert b"note of m1" in held["migrations-events.json"]
    assert b"kept condition" in held["pods/web-2.json"]
    assert json.loads(held["node-facts.json"])["node-b"]["criuVersion"] == "4.2.1"
    assert b"v0.0.0-fake" in held["versions.json"]
    assert b"podferry-agent: podferry:1 sha256:1" in held["versions.json"]
    index = json.loads(held["index.json"])
    assert index["missing"] == index["cut"] == []
    assert index["podsThatAreGone"] == ["web-1"]


def test_no_canary_of_a_tenant_is_in_it_and_what_a_migration_says_is(
    shop: Cluster, tmp_path: Path
) -> None:
    assert call(shop, tmp_path / "b.tar.gz").exit_code == 0
    held = files(tmp_path / "b.tar.gz")
    assert [name for name, data in held.items() if b"told-6a6a" in data] == ["migrations/m1.json"]
    assert [name for name, data in held.items() if CANARY.encode() in data] == []
    assert not [seen.path for seen in shop.server.requests if "secrets" in seen.path]


def test_nothing_but_reads_is_asked_for(shop: Cluster, tmp_path: Path) -> None:
    call(shop, tmp_path / "b.tar.gz")
    assert {seen.method for seen in shop.server.requests} == {"GET"}


def test_one_migration_alone_is_collected_by_its_name(shop: Cluster, tmp_path: Path) -> None:
    shop.seed(MIGRATIONS, migration(metadata={"name": "m2", "uid": "2"}))
    done = call(shop, tmp_path / "b.tar.gz", "m2")
    assert done.exit_code == 0, done.output
    held = files(tmp_path / "b.tar.gz")
    assert [name for name in held if name.startswith("migrations/")] == ["migrations/m2.json"]
    assert json.loads(held["migrations-events.json"]) == []


@pytest.mark.parametrize("code", [403, 404, 503])
def test_what_cannot_be_read_is_listed_and_the_rest_is_there(
    shop: Cluster, tmp_path: Path, code: int
) -> None:
    def refuse(seen: Recorded) -> Refused | None:
        away = seen.path.endswith(("/nodes", "/log", "/configmaps/podferry-nodes"))
        return Refused(code, "Why", "not for you") if away else None

    shop.server.intercept = refuse
    done = call(shop, tmp_path / "b.tar.gz")
    assert done.exit_code == 1, done.output
    held = files(tmp_path / "b.tar.gz")
    missing = {one["part"]: one["why"] for one in json.loads(held["index.json"])["missing"]}
    assert set(missing) == {
        "logs/podferry-agent-1.agent.log",
        "logs/podferry-agent-1.agent.previous.log",
        "logs/podferry-controller-1.controller.log",
        "node-facts.json",
        "nodes",
    }
    assert "not for you" in missing["nodes"]
    for part, why in missing.items():
        assert f"  {part}: {why}" in done.output
        assert f"- {part}: {why}".encode() in held["README.txt"]
    assert "migrations/m1.json" in held
    assert "nodes 0" not in done.output, "unknown is not none"


def test_a_node_that_does_not_answer_holds_up_only_its_own_log(
    shop: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_logs, "LOG_SECONDS", 0.2)
    shop.server.intercept = lambda seen: 2.0 if "agent-1/log" in seen.path else None
    done = call(shop, tmp_path / "b.tar.gz")
    assert done.exit_code == 1
    held = files(tmp_path / "b.tar.gz")
    assert "logs/podferry-controller-1.controller.log" in held
    assert "get pods podferry-system/podferry-agent-1 (log): no answer" in done.output


def test_a_migration_that_is_gone_is_listed(shop: Cluster, tmp_path: Path) -> None:
    done = call(shop, tmp_path / "b.tar.gz", "m9")
    assert done.exit_code == 1
    assert "migrations/m9: get migrations shop/m9" in done.output


def test_a_file_that_exists_is_kept_unless_forced(shop: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "b.tar.gz"
    path.write_text("mine")
    done = call(shop, path)
    assert done.exit_code == 2
    assert "exists; name another with -o, or use --force" in done.output
    assert path.read_text() == "mine"
    assert shop.server.requests == []
    assert call(shop, path, "--force").exit_code == 0
    assert "index.json" in files(path)


def test_a_file_that_comes_meanwhile_is_kept(shop: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "b.tar.gz"

    def come(_seen: Recorded) -> None:
        path.write_text("mine")

    shop.server.intercept = come
    done = call(shop, path)
    assert done.exit_code == 1
    assert "was not written: File exists" in done.output
    assert path.read_text() == "mine"
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_it_is_its_owners_alone_and_nothing_else_is_left(shop: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    done = call(shop, folder / "b.tar.gz")
    assert [one.name for one in folder.iterdir()] == ["b.tar.gz"]
    assert stat.S_IMODE((folder / "b.tar.gz").stat().st_mode) == 0o600
    size = -(-(folder / "b.tar.gz").stat().st_size // 1024)
    assert f"wrote {folder / 'b.tar.gz'}: {size} KiB" in done.output
    assert (
        "holds: migrations 1, events 2, pods 1, pods of podferry 2, nodes 1, logs 3" in done.output
    )


def test_a_long_log_is_cut_at_a_line_and_that_is_said(
    shop: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_logs, "LOG_BYTES", 2048)
    shop.server.logs[(*AGENT, False)] = "".join(f"line {n:05}\n" for n in range(1000))
    done = call(shop, tmp_path / "b.tar.gz")
    assert done.exit_code == 0, done.output
    log = files(tmp_path / "b.tar.gz")["logs/podferry-agent-1.agent.log"]
    assert log.startswith(b"line 00")
    assert log.endswith(b"line 00999\n")
    assert 2000 < len(log) <= 2048
    said = "logs/podferry-agent-1.agent.log: the last 1 KiB of 10 KiB that were read"
    assert said in done.output
    assert said in files(tmp_path / "b.tar.gz")["README.txt"].decode()


def test_a_log_of_more_lines_than_were_asked_for_is_said_to_be_cut(
    shop: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_logs, "LOG_LINES", 10)
    shop.server.logs[(*AGENT, False)] = "".join(f"line {n}\n" for n in range(11))
    done = call(shop, tmp_path / "b.tar.gz")
    assert "logs/podferry-agent-1.agent.log: the last 10 lines; there may be more" in done.output


def test_what_finds_no_room_is_said(
    shop: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_contents, "TOTAL_BYTES", 16 << 10)
    shop.server.logs[(*AGENT, False)] = "x" * (20 << 10)
    done = call(shop, tmp_path / "b.tar.gz")
    why = "left out whole (20 KiB): a bundle holds 16 KiB at most"
    assert f"logs/podferry-agent-1.agent.log: {why}" in done.output
    assert "logs/podferry-agent-1.agent.previous.log" in files(tmp_path / "b.tar.gz")


def test_a_cluster_that_does_not_answer_gives_no_file(cluster: Cluster, tmp_path: Path) -> None:
    text = cluster.kubeconfig.read_text().replace(cluster.server.url, "http://127.0.0.1:1")
    cluster.kubeconfig.write_text(text)
    assert call(cluster, tmp_path / "b.tar.gz").exit_code == 3
    assert not (tmp_path / "b.tar.gz").exists()


def test_the_same_files_at_the_same_time_are_the_same_bytes() -> None:
    held = {"a": b"1", "b": b"2"}
    assert packed(held, 1_700_000_000) == packed(held, 1_700_000_000)
