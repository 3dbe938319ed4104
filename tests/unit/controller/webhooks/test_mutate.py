"""The pure rules of the pod webhook."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.api.migration import Endpoint, MigrationStatus
from podferry.controller.webhooks import mutate
from tests.unit.controller.webhooks.pods import (
    CLAIMED,
    COMMITTED,
    ROLLED_BACK,
    migration,
    pod,
    same_name,
    status,
)


def patch_of(raw: dict[str, Any], *moves: MigrationStatus) -> list[dict[str, Any]]:
    plan = mutate.judge(raw, [migration(move) for move in moves], by_controller=False)
    assert plan.allowed, plan.message
    return list(mutate.json_patch(raw, mutate.patched(raw, plan, "token-1")))


def test_a_pod_that_opted_in_gets_the_runtime_class_and_nothing_else() -> None:
    assert patch_of(pod()) == [{"op": "add", "path": "/spec/runtimeClassName", "value": "podferry"}]


def test_a_pod_with_our_runtime_class_stays_as_it_is() -> None:
    assert patch_of(pod(runtimeClassName="podferry")) == []


def test_another_runtime_class_is_refused_with_what_to_do() -> None:
    plan = mutate.judge(pod(runtimeClassName="gvisor"), [], by_controller=False)
    assert not plan.allowed
    assert "runtimeClassName gvisor" in plan.message
    assert "take one of them away" in plan.message


def test_the_replacement_of_a_detached_source_is_claimed_for_the_target_node() -> None:
    assert patch_of(pod(), status()) == [
        {
            "op": "add",
            "path": "/metadata/annotations",
            "value": {
                "podferry.dev/restore": "mig-1.1",
                "podferry.dev/restore-role": "replacement",
                "podferry.dev/restore-container": "web",
                "podferry.dev/claim": "token-1",
                "podferry.dev/migration": "mig-1",
            },
        },
        {"op": "add", "path": "/spec/runtimeClassName", "value": "podferry"},
        {
            "op": "add",
            "path": "/spec/affinity",
            "value": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {
                                "matchFields": [
                                    {
                                        "key": "metadata.name",
                                        "operator": "In",
                                        "values": ["node-b"],
                                    }
                                ]
                            }
                        ]
                    }
                }
            },
        },
        {
            "op": "add",
            "path": "/spec/readinessGates",
            "value": [{"conditionType": "podferry.dev/running"}],
        },
    ]


def test_the_target_node_is_required_in_every_alternative_of_an_existing_affinity() -> None:
    zone = {"key": "zone", "operator": "In", "values": ["1"]}
    disk = {"key": "disk", "operator": "In", "values": ["ssd"]}
    terms = [{"matchExpressions": [zone]}, {"matchExpressions": [disk]}]
    spec: dict[str, Any] = {
        "affinity": {
            "podAffinity": {"x": 1},
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}
            },
        }
    }
    mutate.pin_to_node(spec, "node-b")
    pin = {"key": "metadata.name", "operator": "In", "values": ["node-b"]}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    assert spec["affinity"]["nodeAffinity"][required]["nodeSelectorTerms"] == [
        {"matchExpressions": [zone], "matchFields": [pin]},
        {"matchExpressions": [disk], "matchFields": [pin]},
    ]
    assert spec["affinity"]["podAffinity"] == {"x": 1}


def test_the_pod_that_was_judged_is_not_changed() -> None:
    raw, same = pod(), pod()
    patch_of(raw, status())
    assert raw == same


@pytest.mark.parametrize(
    ("move", "why"),
    [
        (status(claim=CLAIMED), "has its target"),
        (status(decision=ROLLED_BACK), "is rolling back"),
        (status(decision=ROLLED_BACK, claim=CLAIMED), "is rolling back"),
        (status(decision=COMMITTED), "is committed"),
        (status(target=Endpoint()), "has no target yet"),
    ],
)
def test_a_second_copy_of_a_moving_owner_is_held_back(move: MigrationStatus, why: str) -> None:
    plan = mutate.judge(pod(), [migration(move)], by_controller=False)
    assert not plan.allowed
    assert plan.code == 429
    assert plan.message.startswith("owner is being moved, retried by its controller")
    assert why in plan.message


@pytest.mark.parametrize("phase", ["Succeeded", "RolledBack", "Failed", "Cancelled"])
def test_after_the_end_of_a_move_its_owner_makes_pods_as_ever(phase: str) -> None:
    assert len(patch_of(pod(), status(phase=phase, claim=CLAIMED))) == 1


def test_a_further_replica_before_the_detach_is_an_ordinary_pod() -> None:
    assert len(patch_of(pod(), status(source_detached=False))) == 1


def test_pods_of_other_owners_are_ordinary_pods() -> None:
    assert len(patch_of(pod(owner=("ReplicaSet", "rs-2")), status())) == 1


def test_a_claim_of_an_earlier_attempt_does_not_count() -> None:
    plan = mutate.judge(pod(), [migration(status(claim=CLAIMED, attempt=2))], by_controller=False)
    assert plan.allowed
    assert plan.role == "replacement"


def named(name: str) -> dict[str, Any]:
    return pod(owner=("StatefulSet", "sts-1"), metadata={"name": name})


def test_the_same_named_pod_after_the_commit_is_the_final_one() -> None:
    plan = mutate.judge(named("db-0"), [migration(same_name(decision=COMMITTED))],
                        by_controller=False)  # fmt: skip
    assert plan.allowed
    assert plan.role == "final"


def test_a_final_pod_that_was_lost_may_be_made_again() -> None:
    move = same_name(decision=COMMITTED, claim=CLAIMED)
    plan = mutate.judge(named("db-0"), [migration(move)], by_controller=False)
    assert plan.allowed
    assert plan.claim is not None


@pytest.mark.parametrize("move", [same_name(), same_name(decision=ROLLED_BACK)])
def test_the_same_named_pod_before_the_commit_is_held_back(move: MigrationStatus) -> None:
    plan = mutate.judge(named("db-0"), [migration(move)], by_controller=False)
    assert not plan.allowed
    assert plan.code == 429


def test_another_ordinal_of_a_moving_stateful_set_is_an_ordinary_pod() -> None:
    assert len(patch_of(named("db-1"), same_name())) == 1


def test_a_bare_pod_of_the_source_s_name_is_held_back_too() -> None:
    raw = pod(metadata={"name": "solo", "ownerReferences": []})
    move = status(owner=None, source=Endpoint(node="node-a", pod="solo"), source_detached=False)
    assert not mutate.judge(raw, [migration(move)], by_controller=False).allowed


@pytest.mark.parametrize(
    "name", ["podferry.dev/restore", "podferry.dev/restore-role", "podferry.dev/claim"]
)
def test_nobody_but_the_controller_may_set_our_annotations(name: str) -> None:
    raw = pod(metadata={"annotations": {name: "x"}})
    refused = mutate.judge(raw, [], by_controller=False)
    assert not refused.allowed
    assert name in refused.message
    assert mutate.judge(raw, [], by_controller=True).allowed
