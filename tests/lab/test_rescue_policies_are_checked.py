"""The door of a real API server for RescuePolicies, and the record of moves that outlives them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from podferry.controller.runtime.move_records import KEY, parsed
from podferry.wire import names
from tests.lab.moves import Moves

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]
NAME = "checked-at-the-door"


def policy(**spec: Any) -> str:
    rules = {"detector": {"name": "never"}, "victim": {"name": "largest"},
             "target": {"name": "least-used"}}  # fmt: skip
    kind = {"apiVersion": "podferry.dev/v1alpha1", "kind": "RescuePolicy"}
    return json.dumps({**kind, "metadata": {"name": NAME}, "spec": {**rules, **spec}})


def test_a_policy_that_cannot_act_is_refused_and_one_that_can_is_not(moves: Moves) -> None:
    cases = (
        ({"detector": {"name": "thresh"}}, "known are holt"),
        ({"victim": {"name": "largest", "args": {"size": 1}}}, "no argument is called 'size'"),
        ({"gates": [{"name": "budgets"}]}, "write spec.budgets"),
    )
    for spec, words in cases:
        said = moves.kubectl("create", "-f", "-", stdin=policy(**spec), check=False)
        assert words in said, said
    try:
        # It selects no node, so it does nothing to the other tests.
        said = moves.kubectl("create", "-f", "-", stdin=policy(nodeSelector={"no": "node"}))
        assert "created" in said
        moves.kubectl("label", "rescuepolicy", NAME, "team=a")
        change = '{"spec":{"target":{"name":"x"}}}'
        said = moves.kubectl("patch", "rescuepolicy", NAME, "--type=merge", "-p", change,
                             check=False)  # fmt: skip
        assert "known are best-fit" in said, said
    finally:
        moves.kubectl("delete", "rescuepolicy", NAME, "--ignore-not-found")


def test_a_finished_move_stays_known_when_its_migration_is_gone(moves: Moves) -> None:
    moves.start("Deployment", "w", mb=8)
    moves.migrate("Deployment", "w", "m")
    uid = moves.get("migration", "m")["metadata"]["uid"]
    deadline = time.monotonic() + 60
    while uid not in kept(moves):
        assert time.monotonic() < deadline, f"{uid} is not in {names.MOVES}"
        time.sleep(0.5)
    moves.kubectl("delete", "migration", "m")
    found, bad = parsed(kept(moves))
    assert bad == []
    (one,) = [move for move in found if move.uid == uid]
    assert 0 < one.freeze < one.total


def kept(moves: Moves) -> str:
    """The text of the record, empty while there is none."""
    argv = ("get", "configmap", names.MOVES, "-n", names.SYSTEM_NAMESPACE, "--ignore-not-found")
    raw = moves.cluster.kubectl(*argv, "-o", "json")
    return str(json.loads(raw)["data"][KEY]) if raw.strip() else ""
