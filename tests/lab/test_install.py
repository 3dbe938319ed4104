"""The real manifests in a real cluster: who leads, what the webhook does, who may do what."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from podferry.lab.images import build_podferry_image
from tests.lab.cluster import Cluster

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
OVERLAY = ROOT / "cluster-setup" / "overlays" / "lab"
SYSTEM = "podferry-system"
CONTROLLER = "app.kubernetes.io/name=podferry-controller"


def until(what: str, seen: Callable[[], Any], *, seconds: float = 60) -> Any:
    """Ask every half second until the answer is true; there is no event to wait for."""
    deadline = time.monotonic() + seconds
    while True:
        answer = seen()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.5)


@pytest.fixture(scope="module")
def installed(lab: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The lab with podferry in it."""
    image = tmp_path_factory.mktemp("podferry") / "podferry.tar"
    build_podferry_image(out=image, progress=lambda _line: None)
    lab.load_image(image)
    lab.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(OVERLAY))
    for part in ("deployment/podferry-controller", "daemonset/podferry-agent"):
        lab.kubectl("rollout", "status", part, "-n", SYSTEM, "--timeout=180s")
    return lab


def leader(cluster: Cluster) -> str:
    lease = cluster.get("lease", "podferry-controller", "-n", SYSTEM)
    return str(lease["spec"].get("holderIdentity") or "")


def pod(name: str, **metadata: Any) -> str:
    labels = metadata.pop("labels", {"podferry.dev/migratable": "true"})
    spec = {"containers": [{"name": "app", "image": "registry.lab/app:1"}]}
    raw = {"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": name, "labels": labels, **metadata}, "spec": spec}  # fmt: skip
    return json.dumps(raw)


def dry_run(cluster: Cluster, namespace: str, text: str) -> str:
    return cluster.kubectl(
        "create", "-n", namespace, "--dry-run=server", "-o", "json", "-f", "-",
        stdin=text, check=False,
    )  # fmt: skip


def test_two_replicas_run_and_one_of_them_leads(installed: Cluster) -> None:
    pods = installed.get("pods", "-n", SYSTEM, "-l", CONTROLLER)["items"]
    names = {one["metadata"]["name"] for one in pods}
    assert len(names) == 2
    assert until("a leader", lambda: leader(installed)) in names


def test_a_pod_that_opts_in_gets_the_runtime_class(installed: Cluster, namespace: str) -> None:
    made = json.loads(dry_run(installed, namespace, pod("in")))
    assert made["spec"]["runtimeClassName"] == "podferry"
    made = json.loads(dry_run(installed, namespace, pod("out", labels={})))
    assert "runtimeClassName" not in made["spec"]


@pytest.mark.parametrize("labels", [{}, {"podferry.dev/migratable": "true"}])
def test_nobody_else_may_make_a_restore_pod(
    installed: Cluster, namespace: str, labels: dict[str, str]
) -> None:
    text = pod("cheat", labels=labels, annotations={"podferry.dev/restore": "uid.1"})
    said = dry_run(installed, namespace, text)
    assert "may be set by podferry's controller only" in said


def test_a_pod_that_opted_in_runs_under_our_runtime(installed: Cluster, namespace: str) -> None:
    installed.kubectl("create", "-n", namespace, "-f", "-", stdin=pod("runs"))
    installed.kubectl("wait", "--for=condition=Ready", "pod/runs", "-n", namespace,
                      "--timeout=60s")  # fmt: skip


def test_every_agent_answers_the_leader(installed: Cluster) -> None:
    nodes = [node["metadata"]["name"] for node in installed.get("nodes")["items"]]

    def ages() -> bool:
        name = leader(installed)
        url = f"/api/v1/namespaces/{SYSTEM}/pods/{name}:8080/proxy/metrics"
        text = installed.kubectl("get", "--raw", url, check=False)
        lines = [line for line in text.splitlines() if line.startswith("podferry_agent_answer_age")]
        found = {line.split('"')[1]: float(line.split()[-1]) for line in lines}
        return all(0 <= found.get(node, -1) < 60 for node in nodes)

    until("agents that answer", ages, seconds=60)


def test_the_agent_may_do_nothing_and_the_controller_reads_no_foreign_secret(
    installed: Cluster,
) -> None:
    def can(who: str, *what: str) -> bool:
        user = f"system:serviceaccount:{SYSTEM}:{who}"
        return installed.kubectl("auth", "can-i", *what, "--as", user, check=False).startswith(
            "yes"
        )

    for verb, kind in (("get", "pods"), ("list", "nodes"), ("get", "secrets")):
        assert not can("podferry-agent", verb, kind, "-A")
    assert not can("podferry-controller", "get", "secrets", "-A")
    assert not can("podferry-controller", "get", "secrets", "-n", "kube-system")
    assert can("podferry-controller", "patch", "migrations", "--subresource=status", "-A")


def test_another_replica_leads_when_the_leader_is_killed(installed: Cluster) -> None:
    old = until("a leader", lambda: leader(installed))
    installed.kubectl("delete", "pod", old, "-n", SYSTEM, "--grace-period=0", "--force")
    new = until("another leader", lambda: (name := leader(installed)) != old and name, seconds=60)
    assert new != old


def test_applying_the_manifests_again_keeps_the_authority_in_the_webhook(
    installed: Cluster,
) -> None:
    def bundles() -> list[str]:
        raw = installed.get("mutatingwebhookconfiguration", "podferry")
        return [hook["clientConfig"].get("caBundle", "") for hook in raw["webhooks"]]

    before = until("a CA bundle", lambda: all(bundles()) and bundles())
    installed.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(OVERLAY))
    assert bundles() == before
