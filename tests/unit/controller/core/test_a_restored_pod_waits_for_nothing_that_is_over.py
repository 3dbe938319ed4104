"""Kubelet waits for no start of a container that is restored, and asks no registry for it."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from podferry.api.migration import Endpoint
from podferry.controller.core import pods, restored

UID = "00000000-0000-4000-8000-00000000000a"


def spec(**container: Any) -> dict[str, Any]:
    return {"containers": [{"name": "app", "image": "app:1", **container}]}


def adapted(*, pulled: bool = False, **container: Any) -> dict[str, Any]:
    raw = spec(**copy.deepcopy(container))
    restored.adapt(raw, "app", pulled=pulled)
    found: dict[str, Any] = raw["containers"][0]
    return found


def test_readiness_is_asked_for_at_once() -> None:
    probe = {"httpGet": {"port": 80}, "initialDelaySeconds": 30, "periodSeconds": 2}
    assert adapted(readinessProbe=probe)["readinessProbe"] == {
        "httpGet": {"port": 80},
        "periodSeconds": 2,
    }


@pytest.mark.parametrize(
    ("probe", "failures"),
    [
        ({"initialDelaySeconds": 30}, 6),
        ({"initialDelaySeconds": 31, "periodSeconds": 5, "failureThreshold": 1}, 8),
        ({"failureThreshold": 2}, 2),
    ],
    ids=["defaults", "rounded up", "no delay"],
)
def test_a_startup_delay_becomes_failures_so_that_a_later_restart_has_the_same_time(
    probe: dict[str, Any], failures: int
) -> None:
    found = adapted(startupProbe=probe)["startupProbe"]
    assert found["failureThreshold"] == failures
    assert "initialDelaySeconds" not in found


def test_liveness_stays_as_it_is() -> None:
    probe = {"initialDelaySeconds": 30, "failureThreshold": 1}
    assert adapted(livenessProbe=probe)["livenessProbe"] == probe


@pytest.mark.parametrize(
    ("pulled", "policy", "found"),
    [
        (True, "Always", "IfNotPresent"),
        (True, "Never", "Never"),
        (False, "Always", "Always"),
    ],
)
def test_an_image_that_the_rehearsal_used_is_not_pulled_again(
    pulled: bool, policy: str, found: str
) -> None:
    assert adapted(pulled=pulled, imagePullPolicy=policy)["imagePullPolicy"] == found


def test_a_bare_pod_is_made_again_without_what_was_noted_of_the_source_s_sandbox() -> None:
    annotations = {name: "10.0.0.9" for name in restored.PER_SANDBOX}
    source = {
        "metadata": {
            "name": "app",
            "namespace": "shop",
            "annotations": {**annotations, "example.com/team": "blue"},
        },
        "spec": spec(imagePullPolicy="Always", readinessProbe={"initialDelaySeconds": 30}),
    }
    rehearsal = pods.rehearsal(source, Endpoint(), uid=UID, attempt=1, node="node-b")
    final = pods.final(rehearsal, uid=UID, attempt=1, node="node-b")
    assert "10.0.0.9" not in json.dumps(rehearsal)
    assert "10.0.0.9" not in json.dumps(final)
    assert final["metadata"]["annotations"]["example.com/team"] == "blue"
    assert rehearsal["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    assert final["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert final["spec"]["containers"][0]["readinessProbe"] == {}
