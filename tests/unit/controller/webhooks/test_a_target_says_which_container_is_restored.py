"""By that name the node's wrapper tells the container that moves from init containers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podferry.api.migration import Endpoint, MigrationStatus
from podferry.controller.core import pods
from podferry.controller.webhooks import mutate
from podferry.wire import names
from tests.unit.controller.webhooks.pods import COMMITTED, migration, pod, same_name, status

FETCH = {"name": "fetch", "image": "fetch:latest", "imagePullPolicy": "Always"}
OWN_NAME: dict[str, Any] = {
    "owner": ("StatefulSet", "sts-1"),
    "metadata": {"name": "db-0", "generateName": None},
}


def patched(move: MigrationStatus, **pod_of: Any) -> dict[str, Any]:
    assert move.source is not None
    move = replace(move, source=replace(move.source, container="web"))
    raw = pod(initContainers=[FETCH], **pod_of)
    plan = mutate.judge(raw, [migration(move)], by_controller=False)
    return {
        item["path"]: item["value"]
        for item in mutate.json_patch(raw, mutate.patched(raw, plan, "token-1"))
    }


@pytest.mark.parametrize(
    ("pod_of", "move"),
    [({}, status()), (OWN_NAME, same_name(decision=COMMITTED))],
    ids=["replacement", "final"],
)
def test_a_claimed_pod_names_it(pod_of: dict[str, Any], move: MigrationStatus) -> None:
    notes = patched(move, **pod_of)["/metadata/annotations"]
    assert notes[names.ANNOTATION_RESTORE_CONTAINER] == "web"


def test_images_of_init_containers_that_a_rehearsal_used_are_not_pulled_again() -> None:
    found = patched(same_name(decision=COMMITTED), **OWN_NAME)
    assert found["/spec/initContainers"] == [{**FETCH, "imagePullPolicy": "IfNotPresent"}]
    assert "/spec/initContainers" not in patched(status())


def test_a_rehearsal_names_it_and_a_user_may_not() -> None:
    source = {
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"containers": [{"name": "web"}]},
    }
    made = pods.rehearsal(source, Endpoint(container="web"), uid="u-1", attempt=1, node="node-b")
    assert made["metadata"]["annotations"][names.ANNOTATION_RESTORE_CONTAINER] == "web"
    assert names.ANNOTATION_RESTORE_CONTAINER in mutate.restore_annotations(made)
