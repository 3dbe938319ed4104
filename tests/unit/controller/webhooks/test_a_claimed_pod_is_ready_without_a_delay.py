"""The webhook's part in what a restored container need not wait for."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.api.migration import MigrationStatus
from podferry.controller.webhooks import mutate
from tests.unit.controller.webhooks.pods import COMMITTED, migration, pod, same_name, status

CONTAINER = {
    "name": "web",
    "image": "web:latest",
    "imagePullPolicy": "Always",
    "readinessProbe": {"httpGet": {"port": 80}, "initialDelaySeconds": 30},
}
OWN_NAME: dict[str, Any] = {
    "owner": ("StatefulSet", "sts-1"),
    "metadata": {"name": "db-0", "generateName": None},
}


@pytest.mark.parametrize(
    ("pod_of", "move", "policy"),
    [({}, status(), "Always"), (OWN_NAME, same_name(decision=COMMITTED), "IfNotPresent")],
    ids=["replacement", "final"],
)
def test_its_containers_are_patched(
    pod_of: dict[str, Any], move: MigrationStatus, policy: str
) -> None:
    raw = pod(containers=[CONTAINER], **pod_of)
    plan = mutate.judge(raw, [migration(move)], by_controller=False)
    patch = mutate.json_patch(raw, mutate.patched(raw, plan, "token-1"))
    (found,) = [item for item in patch if item["path"] == "/spec/containers"]
    assert found["op"] == "replace"
    assert found["value"] == [
        {
            "name": "web",
            "image": "web:latest",
            "imagePullPolicy": policy,
            "readinessProbe": {"httpGet": {"port": 80}},
        }
    ]


def test_a_pod_that_is_not_claimed_keeps_its_probes_and_its_pulls() -> None:
    raw = pod(containers=[CONTAINER])
    plan = mutate.judge(raw, [], by_controller=False)
    assert mutate.patched(raw, plan, "token-1")["spec"]["containers"] == [CONTAINER]
