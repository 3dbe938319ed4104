"""`explain` makes of a snapshot and a look the JSON that `podferry plan` and `top` read."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from podferry.api.rescue_policy import Action, PlugIn, RescuePolicy, RescuePolicySpec
from podferry.api.rescue_policy import RescuePolicyStatus as Status
from podferry.controller.core.rescue import explain
from podferry.controller.core.rescue.cluster import OTHERS, Known
from podferry.controller.core.rescue.history import NodeHistory
from podferry.controller.core.rescue.look import Look, Outcome
from podferry.controller.core.rescue.moves import Ledger
from podferry.controller.core.rescue.reports import Believed
from podferry.controller.core.rescue.states import Done
from podferry.policies.vocabulary import (
    Candidate,
    Choice,
    Command,
    Decision,
    MoveCost,
    Node,
    Overload,
    Placement,
    Pod,
    Pressure,
    Snapshot,
    Verdict,
)
from podferry.wire.memory import PodMemory, Report
from tests.fakes import insight as fake

MIB = float(1 << 20)
Object = dict[str, Any]

REPORT = Report(
    node="node-a",
    boot_id="b",
    seq=7,
    started=1.0,
    age=0.0,
    interval=1.0,
    capacity=4096 * MIB,
    available=312 * MIB,
    eviction=100 * MIB,
    eviction_source="kubelet.yaml",
    urgent=True,
    pressure=(12.0, 5.5),
    pods=(PodMemory(uid="u-web", working_set=700 * MIB, rss=650 * MIB, slope=2 * MIB),),
)
NODE = Node(
    name="node-a",
    capacity=4096 * MIB,
    used=3784 * MIB,
    eviction=100 * MIB,
    pressure=Pressure(12.0, 5.5),
    incoming=64 * MIB,
    pods=(
        Pod("shop/web", 700 * MIB, cost=MoveCost(0.9, 6.5)),
        Pod("shop/db", 0.0, blocked="is being moved to node-b by Migration m"),
        Pod(OTHERS, 300 * MIB, blocked="not opted in"),
    ),
)
SEEN = Snapshot(100.0, (NODE, Node("node-c", 1.0, 1.0, known=False)))
WEB: Object = {"metadata": {"namespace": "shop", "name": "web", "uid": "u-web"}}
KNOWN = Known(
    now=100.0,
    wall=datetime(2026, 1, 1, tzinfo=UTC),
    nodes={},
    believed={"node-a": Believed(REPORT, 98.8, 98.8)},
    doubts={"node-c": "no report"},
    histories={"node-a": NodeHistory()},
    pods={"node-a": (WEB,)},
    namespaces={},
    migrations=(),
    cost=lambda _pod, _size: MoveCost(0.9, 6.5),
    reluctant=lambda _pod: "prefers no eviction",
)
WHY = "used up in 100 s"
POLICY = RescuePolicy(
    name="default",
    uid="u",
    generation=1,
    resource_version="1",
    created_at="",
    spec=RescuePolicySpec(PlugIn("threshold"), PlugIn("largest"), PlugIn("least-used")),
    status=Status(),
)


def look(outcome: Outcome) -> Look:
    command = Command("shop/web", "node-a", "node-b", 700 * MIB, 100.0, f"{WHY}; node-b is best")
    late = replace(command, pod="shop/db")
    decision = Decision(
        commands=(command,),
        overloads=(Overload("node-a", 512 * MIB, 100.0, WHY),),
        choices={
            "node-a": Choice(
                ("shop/web",),
                "",
                (Candidate("shop/web", 0.9, "grows"), Candidate("shop/db", None, "moving")),
            )
        },
        placements={
            "shop/web": Placement("node-b", "most left", 0.0, (Candidate("node-b", 2, ""),))
        },
        refused=((late, Verdict(False, "cool-down")),),
    )
    ledger = Ledger((), {}, {}, {}, {})
    return Look(SEEN, ledger, decision, (outcome,), (), ())


def told(outcome: Outcome) -> Object:
    policy = explain.of_policy(POLICY, look(outcome), Done({"shop/web": "shop/m"}), model="prior")
    (found,) = policy["nodes"]
    return dict(found)


MOVE = Outcome("node-a", Action.MOVE, f"{WHY}; node-b is best", "shop/web", "node-b")


def test_a_node_is_told_as_its_agent_and_the_ledger_have_it() -> None:
    found = explain.cluster(KNOWN, SEEN, leader="pod-1")
    known, unknown = found["nodes"]
    assert (known["availableBytes"], known["evictionBytes"]) == (312 * MIB, 100 * MIB)
    assert (known["ageSeconds"], known["incomingBytes"]) == (1.2, 64 * MIB)
    assert list(known["pressure"]) == [12.0, 5.5]
    assert unknown == {"name": "node-c", "known": False, "why": "no report", "ageSeconds": None}


def test_pods_are_those_that_opted_in_and_are_made_only_where_they_are_wanted() -> None:
    pods = explain.cluster(KNOWN, SEEN, leader="pod-1")["pods"]
    assert [(one["key"], one["moving"]) for one in pods] == [("shop/web", False), ("shop/db", True)]
    assert (pods[0]["rssBytes"], pods[0]["slopeBytesPerSecond"]) == (650 * MIB, 2 * MIB)
    assert pods[0]["reluctant"] == "prefers no eviction"
    assert explain.cluster(KNOWN, SEEN, leader="pod-1", pods=False)["pods"] == []


def test_each_candidate_says_whether_it_was_chosen_and_each_move_what_became_of_it() -> None:
    found = told(MOVE)
    assert [(one["key"], one["chosen"]) for one in found["candidates"]] == [
        ("shop/web", True),
        ("shop/db", False),
    ]
    assert found["placements"][0]["target"] == "node-b"
    assert found["refused"] == [{"pod": "shop/db", "target": "node-b", "why": "cool-down"}]
    assert found["commands"][0]["migration"] == "shop/m"


def test_a_reason_that_repeats_the_trouble_is_told_once() -> None:
    assert told(MOVE)["why"] == "used up in 100 s; node-b is best"
    waits = replace(MOVE, action=Action.WAIT, why="cool-down")
    assert told(waits)["why"] == "used up in 100 s; cool-down"


def test_the_insight_that_other_tests_use_has_the_same_fields() -> None:
    made = explain.cluster(KNOWN, SEEN, leader="pod-1")
    seen = look(MOVE)
    seen = replace(seen, decision=replace(seen.decision, refused=()))
    made["policies"] = [explain.of_policy(POLICY, seen, Done(), model="prior")]
    json.dumps(made, allow_nan=False)
    assert fields(made) == fields(fake.insight())


def fields(value: Any) -> Any:
    """Names at every level; a list is what any of its objects has."""
    if isinstance(value, dict):
        return {name: fields(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple) and value and isinstance(value[0], dict):
        merged: Object = {}
        for one in map(fields, value):
            merged |= {name: merged.get(name) or inner for name, inner in one.items()}
        return merged
    return None
