"""A tenant with every right in a namespace cannot change what podferry wrote, nor decide for it."""

from __future__ import annotations

import json

import pytest

from tests.lab import breakpoints
from tests.lab.moves import MIGRATABLE, Moves, pod_spec
from tests.lab.on_node import reached
from tests.lab.tenants import CONTROLLER, EVERYTHING, Tenant, tenant

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

OURS = ("restore", "restore-role", "claim", "source", "migration", "detached-labels")
THEIRS = ("exclude", "strategy", "max-freeze-seconds", "restart-containers")
REFUSED = "may be changed by podferry's controller only"


def waiting(moves: Moves, name: str, **annotations: str) -> None:
    """A pod that opted in and is never scheduled, as one that could be given to a node."""
    notes = {f"podferry.dev/{key}": value for key, value in annotations.items()}
    raw = {"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": name, "labels": MIGRATABLE, "annotations": notes},
           "spec": pod_spec(8, schedulerName="nobody")}  # fmt: skip
    who = ("--as", CONTROLLER) if annotations else ()
    moves.kubectl("create", "-f", "-", *who, stdin=json.dumps(raw))


def note(who: Tenant, pod: str, key: str, value: str | None, *how: str) -> str:
    """Set or (None) remove one annotation; what kubectl said."""
    body = {"metadata": {"annotations": {f"podferry.dev/{key}": value}}}
    return who.kubectl("patch", "pod", pod, "--type=merge", *how, "-p", json.dumps(body))


def test_no_way_of_a_write_gives_an_existing_pod_our_annotations(moves: Moves) -> None:
    who = tenant(moves, "t", *EVERYTHING)
    waiting(moves, "p")
    for key in OURS:
        said = note(who, "p", key, "x")
        assert f"podferry.dev/{key} of a pod {REFUSED}" in said
    assert REFUSED in note(who, "p", "restore", "x", "--subresource=status")
    assert REFUSED in who.kubectl("label", "pod", "p", "podferry.dev/rehearsal=x")
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p", "annotations": {"podferry.dev/restore": "x.1"}},
        "target": {"kind": "Node", "name": "node-a"},
    }
    path = f"/api/v1/namespaces/{moves.namespace}/pods/p/binding"
    said = who.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(binding))
    assert "a Binding may carry no annotation" in said
    said = who.kubectl("create", "--validate=false", "-f", "-", stdin=json.dumps(binding))
    assert "a Binding may carry no annotation" in said
    notes = moves.get("pod", "p")["metadata"].get("annotations", {})
    assert not [key for key in notes if key.startswith("podferry.dev/")]


def test_a_pod_that_podferry_made_keeps_what_podferry_wrote(moves: Moves) -> None:
    who = tenant(moves, "t", *EVERYTHING)
    waiting(moves, "p", restore="uid.1", source="{}")
    assert REFUSED in note(who, "p", "source", '{"name": "other"}')
    assert REFUSED in note(who, "p", "restore", None)
    everything = json.dumps([{"op": "remove", "path": "/metadata/annotations"}])
    assert REFUSED in who.kubectl("patch", "pod", "p", "--type=json", "-p", everything)
    # What is theirs stays theirs, and an administrator has a way to repair.
    for key in THEIRS:
        assert "patched" in note(who, "p", key, "true")
    assert "labeled" in who.kubectl("label", "pod", "p", "app=other")
    body = json.dumps({"metadata": {"annotations": {"podferry.dev/source": None}}})
    moves.kubectl("patch", "pod", "p", "--type=merge", "-p", body, "--as", CONTROLLER)


def test_a_tenant_decides_nothing_and_keeps_the_finalizer(moves: Moves) -> None:
    who = tenant(moves, "t", *EVERYTHING)
    assert "created" in moves.request("Deployment", "none", "m")
    moves.ended("m")
    body = json.dumps({"status": {"decision": "Committed"}})
    said = who.kubectl(
        "patch", "migration", "m", "--subresource=status", "--type=merge", "-p", body
    )
    assert "the status of a Migration is written by podferry's controller only" in said


def test_a_move_that_goes_on_keeps_its_finalizer_and_what_its_pod_is_made_of(moves: Moves) -> None:
    who = tenant(moves, "t", *EVERYTHING)
    pod = moves.start("Pod", "w", mb=8)
    node = pod["spec"]["nodeName"]
    free = json.dumps({"metadata": {"finalizers": None}})
    with breakpoints.before(moves.cluster, node, "source", "Frozen"):
        assert "created" in moves.request("Pod", "w", "m")
        reached(moves.cluster, node, moves.get("migration", "m"), ("source", "Prepared"))
        moves.kubectl("wait", "migration/m", "--for=condition=TargetReady", "--timeout=60s")
        said = who.kubectl("patch", "migration", "m", "--type=merge", "-p", free)
        assert "the finalizer podferry.dev/migration is taken off by podferry's controller" in said
        rehearsal = moves.get("migration", "m")["status"]["target"]["pod"]
        had = json.dumps({"name": "other", "labels": {}, "annotations": {}})
        assert REFUSED in note(who, rehearsal, "source", had)
        assert REFUSED in note(who, rehearsal, "restore-role", "final")
    assert moves.ended("m")["phase"] == "Succeeded"
