"""Claims that several nodes mount at once move with their pod; the others are refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podferry.api.reasons import Reason as R
from podferry.controller.core.view import ClaimView
from podferry.strategies.container import claim_checks, preflight
from tests.unit.strategies.container.samples import node, pod

POD = pod(volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "big"}}])
NFS = {"nfs": {"server": "s", "path": "/"}}


def claim(*modes: str, **volume: Any) -> dict[str, ClaimView]:
    """The claim of POD, bound to a volume of this kind."""
    return {"big": ClaimView({"spec": {"accessModes": list(modes)}}, {"spec": volume or NFS})}


def check(claims: dict[str, ClaimView], *, keeps: bool = False, **others: Any) -> list[Any]:
    return claim_checks.check_claims(POD, claims, others=others, same_name=keeps)


@pytest.mark.parametrize("modes", [["ReadWriteMany"], ["ReadOnlyMany"],
                                   ["ReadWriteOnce", "ReadWriteMany"]])  # fmt: skip
def test_a_claim_that_many_may_mount_is_no_obstacle(modes: list[str]) -> None:
    assert preflight.check_pod(POD) == []
    assert check(claim(*modes)) == []


REFUSED = {
    "once": (claim("ReadWriteOnce"), R.PERSISTENT_VOLUME, ["ReadWriteOnce", "one node"]),
    "once a pod": (claim("ReadWriteOncePod"), R.PERSISTENT_VOLUME, ["ReadWriteOncePod", "one pod"]),
    "no mode": (claim(), R.PERSISTENT_VOLUME, ["without an access mode"]),
    "block": (claim("ReadWriteMany", volumeMode="Block", csi={}), R.PERSISTENT_VOLUME, ["block"]),
    "folder of a node": (
        claim("ReadWriteMany", hostPath={"path": "/srv"}), R.HOST_PATH, ["/srv", "`local`"],
    ),
    "missing": ({}, R.PERSISTENT_VOLUME, ["does not exist", "kubectl get pvc"]),
    "unbound": ({"big": ClaimView({}, None)}, R.PERSISTENT_VOLUME, ["not bound"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_any_other_is_refused_with_what_to_do(case: str) -> None:
    claims, reason, words = REFUSED[case]
    (found,) = check(claims)
    assert found.reason == reason
    for word in ["claim big", "shop/counter-abc", *words]:
        assert word in found.message


def test_a_pod_that_keeps_its_name_must_be_alone_on_its_claim() -> None:
    shared = claim("ReadWriteMany")
    other = {**POD, "metadata": {"name": "writer", "uid": "u2"}, "status": {"phase": "Running"}}
    over = {**other, "status": {"phase": "Succeeded"}}
    assert check(shared, keeps=True, me=POD, over=over) == []
    assert check(shared, writer=other) == []
    (found,) = check(shared, keeps=True, writer=other)
    assert "also mounted by writer" in found.message


@pytest.mark.parametrize(("policy", "fits"), [(None, False), ("OnRootMismatch", True)])
def test_a_pod_that_keeps_its_name_is_mounted_once_more(policy: str | None, fits: bool) -> None:
    group = {"fsGroup": 7, **({"fsGroupChangePolicy": policy} if policy else {})}
    raw = {**POD, "spec": {**POD["spec"], "securityContext": group}}
    shared = claim("ReadWriteMany")
    found = claim_checks.check_claims(raw, shared, others={}, same_name=True)
    assert (found == []) is fits
    assert claim_checks.check_claims(raw, shared, others={}, same_name=False) == []
    assert all("fsGroup 7" in one.message for one in found)


def test_a_pod_with_a_claim_is_not_moved_by_post_copy() -> None:
    (found,) = claim_checks.check_claims_in_post_copy(POD)
    assert "claim big" in found.message
    assert "StopAndCopy" in found.message
    assert claim_checks.check_claims_in_post_copy(pod()) == []


def test_a_node_that_cannot_mount_the_volume_is_not_chosen() -> None:
    terms = [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["z1"]}]}]
    claims = claim("ReadWriteMany", local={"path": "/srv"},
                   nodeAffinity={"required": {"nodeSelectorTerms": terms}})  # fmt: skip
    inside = replace(node("node-b"), labels={**node("node-b").labels, "zone": "z1"})
    nodes = {one.name: one for one in (node("node-a"), inside, node("node-c"))}
    best = replace(nodes["node-c"], allocatable_bytes=1 << 45)
    chosen, _ = preflight.choose_target(
        pod=POD, source=nodes["node-a"], nodes={**nodes, "node-c": best}, selector=None,
        claims=claims,
    )  # fmt: skip
    assert chosen is not None
    assert chosen.name == "node-b"
    (found,) = claim_checks.check_reach(POD, claims, best)
    assert "claim big cannot be mounted on target node node-c" in found.message
