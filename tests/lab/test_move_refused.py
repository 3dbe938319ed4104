"""Requests that cannot be carried out are refused with their reason; the pod is untouched."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.lab.moves import Moves, why

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

PODS: list[tuple[str, dict[str, Any]]] = [
    ("HostNetwork", {"hostNetwork": True}),
    ("HostPath", {"volumes": [{"name": "h", "hostPath": {"path": "/tmp"}}]}),
    ("NotOptedIn", {"opt_in": False}),
]


def untouched(moves: Moves, before: dict[str, Any]) -> None:
    now = moves.get("pod", before["metadata"]["name"])["metadata"]
    for field in ("uid", "labels", "annotations", "finalizers"):
        assert now.get(field) == before["metadata"].get(field)


@pytest.mark.parametrize(("reason", "more"), PODS, ids=[reason for reason, _ in PODS])
def test_a_pod_that_cannot_be_moved_is_refused(
    moves: Moves, reason: str, more: dict[str, Any]
) -> None:
    pod = moves.start("Pod", "w", **more)
    status = moves.migrate("Pod", "w", "m")
    assert (status["phase"], why(status)) == ("Failed", reason), status
    untouched(moves, pod)


def test_what_is_not_there_not_built_or_over_budget_is_refused(moves: Moves) -> None:
    pod = moves.start("Pod", "w")
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("none", "UnknownWorkload", {}),
        ("w", "NotSupportedYet", {"copy": "PreCopy"}),
        ("w", "FreezeOverBudget", {"copy": "StopAndCopy", "maxFreezeSeconds": 0.001}),
    ]
    for number, (name, reason, spec) in enumerate(cases):
        status = moves.migrate("Pod", name, f"m{number}", **spec)
        assert (status["phase"], why(status)) == ("Failed", reason), status
    untouched(moves, pod)


def test_a_spec_cannot_be_changed_but_for_cancel(moves: Moves) -> None:
    moves.migrate("Pod", "none", "m")
    patch = '{"spec":{"targetNode":"node-b"}}'
    said = moves.kubectl("patch", "migration", "m", "--type=merge", "-p", patch, check=False)
    assert "spec cannot be changed but for cancel" in said


@pytest.mark.parametrize("name", ["Web", "web_0", "web-", "a/b", "x" * 254])
def test_the_api_server_refuses_what_can_be_no_name(moves: Moves, name: str) -> None:
    assert "spec.workloadRef.name" in moves.request("Pod", name, "m")
    assert "spec.targetNode" in moves.request("Pod", "w", "m", targetNode=name)


def test_a_budget_that_cannot_be_kept_is_refused_with_both_numbers(moves: Moves) -> None:
    pod = moves.start("Deployment", "w")
    status = moves.migrate("Deployment", "w", "m", copy="StopAndCopy", maxFreezeSeconds=0.001)
    accepted = {item["type"]: item for item in status["conditions"]}["Accepted"]
    assert (accepted["status"], accepted["reason"]) == ("False", "FreezeOverBudget")
    assert "maxFreezeSeconds 0.001 s" in accepted["message"]
    predicted = re.search(r"p95 ([0-9.]+) s", accepted["message"])
    assert predicted, accepted
    assert float(predicted[1]) > 0.1
    assert "frozenAt" not in status
    untouched(moves, pod)
