"""`podferry top` and `podferry plan` through the real API server: what they show, and to whom."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from podferry.api.quantity import parse_bytes
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.wire import names
from tests.lab.cluster import Cluster
from tests.lab.moves import Moves
from tests.lab.tenants import Tenant, tenant

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

SYSTEM = names.SYSTEM_NAMESPACE
POLICY = {
    "apiVersion": "podferry.dev/v1alpha1",
    "kind": "RescuePolicy",
    "metadata": {"name": "looks-only"},
    "spec": {
        "mode": "DryRun",
        "detector": {"name": "threshold", "args": {"freePercent": 99.5}},
        "victim": {"name": "largest"},
        "target": {"name": "least-used", "args": {"margin": 0}},
        "periodSeconds": 1,
    },
}
Object = dict[str, Any]


@pytest.fixture
def policy(ferry: Cluster) -> Iterator[str]:
    """A policy that finds every node too full and moves nothing."""
    ferry.apply(yaml.safe_dump(POLICY))
    yield "looks-only"
    ferry.kubectl("delete", "rescuepolicy", "looks-only", "--ignore-not-found")


def podferry(kubeconfig: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "podferry.cli.main", *argv],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
    )


def told(cluster: Cluster, good: Callable[[Object], bool]) -> Object:
    """What the leader tells, once it is as it should be: agents may just have been started."""
    deadline = time.monotonic() + 120
    while True:
        done = podferry(cluster.kubeconfig, "plan", "-o", "json")
        if done.returncode == 0 and good(json.loads(done.stdout)):
            found: Object = json.loads(done.stdout)
            return found
        assert time.monotonic() < deadline, done.stdout + done.stderr
        time.sleep(1)


def candidates(insight: Object, node: str) -> dict[str, Object]:
    return {
        each["key"]: each
        for policy in insight["policies"]
        for one in policy["nodes"]
        if one["name"] == node
        for each in one["candidates"]
    }


def test_a_plan_shows_real_memory_and_a_reason_for_every_pod(
    moves: Moves, ferry: Cluster, policy: str
) -> None:
    pod = moves.start("Deployment", "counter")
    where, key = pod["spec"]["nodeName"], f"{moves.namespace}/{pod['metadata']['name']}"

    def known(insight: Object) -> bool:
        decided = key in candidates(insight, where)
        return decided and all(node["known"] for node in insight["nodes"])

    insight = told(ferry, known)
    for node in insight["nodes"]:
        raw = ferry.get("node", node["name"])["status"]["capacity"]["memory"]
        assert node["capacityBytes"] == parse_bytes(raw)
        assert 0 < node["availableBytes"] < node["capacityBytes"]
        assert node["evictionBytes"] > 0
    assert all(each["why"] for each in candidates(insight, where).values())
    plan = podferry(ferry.kubeconfig, "plan", where)
    assert plan.returncode == 0, plan.stderr
    assert f"by policy {policy}: " in plan.stdout
    assert key in plan.stdout
    top = podferry(ferry.kubeconfig, "top")
    rows = {line.split()[0]: line for line in top.stdout.splitlines() if line}
    assert {"node-a", "node-b", key} <= set(rows)


def kubeconfig_of(it: Tenant, cluster: Cluster, folder: Path) -> Path:
    """A kubeconfig with a token of this account, as tenants and programs have."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    token = it.moves.kubectl("create", "token", it.name).strip()
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def test_a_tenant_sees_nothing_until_an_administrator_binds_the_role(
    moves: Moves, ferry: Cluster, tmp_path: Path
) -> None:
    it = tenant(moves, "viewer")
    kubeconfig = kubeconfig_of(it, ferry, tmp_path)
    done = podferry(kubeconfig, "top", "--once")
    assert done.returncode == 1
    assert "you lack the right `get leases/podferry-controller`" in done.stderr
    assert "--role=podferry-insight" in done.stderr
    name = f"insight-{moves.namespace}"
    bind = ("rolebinding", name, "--role=podferry-insight")
    who = f"--serviceaccount={moves.namespace}:{it.name}"
    ferry.kubectl("-n", SYSTEM, "create", *bind, who)
    try:
        deadline = time.monotonic() + 60
        while (done := podferry(kubeconfig, "top", "nodes", "--once")).returncode:
            assert time.monotonic() < deadline, done.stderr
        assert "node-a" in done.stdout
        # The right is for this alone.
        assert it.kubectl("auth", "can-i", "get", "pods", "-n", SYSTEM).startswith("no")
        assert it.kubectl("auth", "can-i", "create", "pods/proxy", "-n", SYSTEM).startswith("no")
    finally:
        ferry.kubectl("-n", SYSTEM, "delete", "rolebinding", name)


async def asked(cluster: Cluster, token: str) -> str:
    """Reason of the leader's refusal of this token, "" if it told its insight."""
    async with await ApiClient.connect(kubeconfig=str(cluster.kubeconfig)) as client:
        lease = await client.get(paths.leases(SYSTEM, names.CONTROLLER_LEASE))
        pod = lease["spec"]["holderIdentity"]
        path = paths.pod_proxy(SYSTEM, pod, names.INSIGHT_PORT, names.INSIGHT_PATH)
        headers = {names.TOKEN_HEADER: token} if token else {}
        try:
            answer = await client.raw("GET", path, headers=headers)
        except errors.ApiError as error:
            return error.reason
        assert answer["nodes"]
        return ""


def test_the_leader_tells_only_a_viewer_s_token_for_this_very_purpose(
    moves: Moves, ferry: Cluster
) -> None:
    def token(namespace: str, account: str, *options: str) -> str:
        made = ferry.kubectl("-n", namespace, "create", "token", account, *options)
        return made.strip()

    audience = ("--audience", names.INSIGHT_AUDIENCE)
    # Whoever leads may just have begun to.
    deadline = time.monotonic() + 60
    good = token(SYSTEM, names.VIEWER, *audience)
    while reason := asyncio.run(asked(ferry, good)):
        assert time.monotonic() < deadline, reason
        time.sleep(1)
    assert asyncio.run(asked(ferry, "")) == "NoToken"
    assert asyncio.run(asked(ferry, good + "x")) == "BadToken"
    assert asyncio.run(asked(ferry, token(SYSTEM, names.VIEWER))) == "BadToken"
    assert asyncio.run(asked(ferry, token(moves.namespace, "default", *audience))) == "NotViewer"
