"""Whoever may create Migrations may not thereby say on which node a workload runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.moves import Moves
from tests.lab.tenants import tenant

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

ANY = {"apiGroups": ["podferry.dev"], "resources": ["targetnodes"], "verbs": ["use"]}
ONE = {**ANY, "resourceNames": ["node-b"]}
TO_B: dict[str, Any] = {"targetNode": "node-b"}
BY_LABEL: dict[str, Any] = {"targetSelector": {"kubernetes.io/hostname": "node-b"}}


def test_the_right_to_a_node_is_asked_for_by_its_name(moves: Moves) -> None:
    # The workload does not exist: who gets past admission has a Migration that is refused later.
    plain = tenant(moves, "plain")
    one = tenant(moves, "one", ONE)
    every = tenant(moves, "every", ANY)
    said = plain.ask("none", "m1", **TO_B)
    assert "may not choose node node-b" in said
    assert "targetnodes.podferry.dev/node-b" in said
    assert "podferry-choose-nodes" in said
    assert "may not choose among nodes" in plain.ask("none", "m2", **BY_LABEL)
    assert "created" in plain.ask("none", "m3")
    assert "created" in one.ask("none", "m4", **TO_B)
    assert "may not choose node node-a" in one.ask("none", "m5", targetNode="node-a")
    assert "may not choose among nodes" in one.ask("none", "m6", **BY_LABEL)
    assert "created" in every.ask("none", "m7", **TO_B)
    assert "created" in every.ask("none", "m8", **BY_LABEL)


def test_whoever_may_update_a_migration_may_cancel_it_and_nothing_else(moves: Moves) -> None:
    plain = tenant(moves, "plain")
    assert "created" in moves.request("Deployment", "none", "m", **TO_B)
    said = plain.kubectl("patch", "migration", "m", "--type=merge", "-p",
                         '{"spec":{"cancel":true}}')  # fmt: skip
    assert "patched" in said
    said = plain.kubectl("patch", "migration", "m", "--type=merge", "-p",
                         '{"spec":{"targetNode":"node-a"}}')  # fmt: skip
    assert "immutable" in said or "Invalid" in said
