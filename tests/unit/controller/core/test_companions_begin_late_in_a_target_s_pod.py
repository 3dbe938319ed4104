"""A target's pod names what starts anew beside the workload, and kubelet does not wait for it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from podferry.api.migration import Endpoint, MigrationStatus
from podferry.controller.core import pods, restored
from podferry.controller.webhooks import mutate
from podferry.wire import names
from tests.unit.controller.webhooks import pods as samples

UID = "00000000-0000-4000-8000-00000000000a"
STARTUP = {"periodSeconds": 5, "failureThreshold": 4, "initialDelaySeconds": 2}
READINESS = {"initialDelaySeconds": 30}
MESH = {"name": "mesh", "restartPolicy": "Always", "startupProbe": STARTUP,
        "livenessProbe": {"initialDelaySeconds": 1}}  # fmt: skip
SPEC: dict[str, Any] = {
    "initContainers": [{"name": "fetch"}, MESH],
    "containers": [{"name": "proxy", "readinessProbe": READINESS}, {"name": "web"}],
}


def rehearsal() -> dict[str, Any]:
    source = {
        "metadata": {
            "name": "db", "namespace": "shop",
            "annotations": {names.ANNOTATION_RESTART_CONTAINERS: "proxy"},
        },
        "spec": copy.deepcopy(SPEC),
    }  # fmt: skip
    return pods.rehearsal(source, Endpoint(container="web"), uid=UID, attempt=1, node="node-b")


def final() -> dict[str, Any]:
    return pods.final(rehearsal(), uid=UID, attempt=1, node="node-b")


def claimed(move: MigrationStatus | None = None) -> dict[str, Any]:
    found = move or samples.status()
    assert found.source is not None
    found = replace(found, source=replace(found.source, container="web"))
    raw = samples.pod(**copy.deepcopy(SPEC))
    plan = mutate.judge(raw, [samples.migration(found)], by_controller=False)
    return mutate.patched(raw, plan, "token-1")


@pytest.mark.parametrize("made", [rehearsal, final, claimed])
def test_every_kind_of_target_names_them_and_drops_what_kubelet_would_wait_for(made: Any) -> None:
    pod = made()
    notes = pod["metadata"]["annotations"]
    assert notes[names.ANNOTATION_RESTORE_CONTAINER] == "web"
    assert notes[names.ANNOTATION_RESTORE_ANEW] == "proxy,mesh"
    mesh = pod["spec"]["initContainers"][1]
    assert "startupProbe" not in mesh
    assert mesh["livenessProbe"] == {"initialDelaySeconds": 22}


def test_the_declaration_stays_on_a_bare_pod_for_its_next_move() -> None:
    assert final()["metadata"]["annotations"][names.ANNOTATION_RESTART_CONTAINERS] == "proxy"


def test_what_starts_for_real_keeps_the_delay_of_its_probes() -> None:
    spec = copy.deepcopy(SPEC)
    spec["containers"][1]["readinessProbe"] = dict(READINESS)
    restored.adapt(spec, "web", pulled=False)
    assert [one["readinessProbe"] for one in spec["containers"]] == [READINESS, {}]


def test_a_container_alone_names_nothing_beside_it() -> None:
    assert pods.beside({"spec": {"containers": [{"name": "web"}]}}, "web") == {}
