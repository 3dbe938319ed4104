"""Nodes and pods as policies see them: what is measured, what is booked, who cannot be moved."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from podferry.controller.core.rescue.cluster import (
    ENDS_LATE,
    NOT_MEASURED,
    OTHERS,
    Book,
    Known,
    snapshot,
)
from podferry.policies.vocabulary import Node, Pod
from podferry.wire.memory import PodMemory
from tests.unit.strategies.container import samples

from .worlds import GIB, WALL, booked, known, pod, pressed, report, under_way


def node(of: Known, name: str = "node-a", book: Book | None = None) -> Node:
    return snapshot(of, booked(of), book or Book()).node(name)


def pod_of(of: Known, key: str) -> Pod:
    return next(each for each in node(of).pods if each.key == key)


def test_a_node_is_what_its_agent_measured() -> None:
    found = node(pressed())
    assert (found.capacity, found.used, found.eviction) == (4 * GIB, 3.6 * GIB, 0.1 * GIB)
    assert found.known
    assert found.schedulable
    assert {each.key: each.memory for each in found.pods} == {
        "shop/big": 2 * GIB, "shop/small": GIB, OTHERS: 0.0
    }  # fmt: skip


def test_pods_that_did_not_opt_in_count_and_are_blocked() -> None:
    more = report(
        available=GIB, pods=(PodMemory("u-big", GIB, 0.0), PodMemory("u-x", 0.5 * GIB, 0.0))
    )
    views = {"node-a": samples.node("node-a", requested_bytes=int(GIB))}
    others = pod_of(known({"node-a": more}, [pod("big")], views=views), OTHERS)
    assert (others.memory, others.blocked) == (0.5 * GIB, "not opted in")
    assert others.request == GIB - 64 * 2**20


def test_a_node_that_told_nothing_is_unknown_and_takes_nothing() -> None:
    found = node(pressed(views={"node-x": samples.node("node-x")}), "node-x")
    assert (found.known, found.schedulable, found.pods) == (False, False, ())


def test_a_node_in_doubt_is_unknown_with_the_numbers_that_it_told_last() -> None:
    found = node(pressed(doubts={"node-a": "silent"}))
    assert not found.known
    assert found.used == 3.6 * GIB


@pytest.mark.parametrize("more", [{"cordoned": True}, {"ready": False}])
def test_a_cordoned_or_unready_node_takes_nothing(more: dict[str, bool]) -> None:
    views = {"node-b": samples.node("node-b", **more)}
    assert not node(pressed(views=views), "node-b").schedulable


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"annotations": {"podferry.dev/exclude": "true"}}, "exclude"),
        ({"labels": {}}, "migratable"),
        ({"deletionTimestamp": "2026-01-01T12:00:20Z"}, "is being deleted"),
    ],
)
def test_what_stands_against_a_move_blocks_the_pod(metadata: dict[str, Any], said: str) -> None:
    of = pressed(pods=[pod("big", **metadata), pod("small")])
    assert said in pod_of(of, "shop/big").blocked
    assert not pod_of(of, "shop/small").blocked


def test_a_namespace_that_opted_out_blocks_its_pods() -> None:
    labels = {"podferry.dev/exclude": "true"}
    shop = {"metadata": {"name": "shop", "resourceVersion": "2", "labels": labels}}
    assert pod_of(pressed(namespaces={"shop": shop}), "shop/big").blocked


def test_a_pod_that_is_being_moved_is_blocked_and_booked() -> None:
    of = pressed(migrations=(under_way(pod="big", gib=2.0),))
    assert "is being moved to node-b" in pod_of(of, "shop/big").blocked
    assert node(of).outgoing == node(of, "node-b").incoming == 2 * GIB


def test_a_pod_that_nobody_measured_is_not_moved() -> None:
    of = pressed(pods=[pod("big"), pod("small"), pod("fresh")])
    assert pod_of(of, "shop/fresh").blocked == NOT_MEASURED


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_ended_is_not_there(phase: str) -> None:
    ended = pod("big")
    ended["status"]["phase"] = phase
    found = node(pressed(pods=[ended, pod("small")]))
    assert [each.key for each in found.pods] == ["shop/small", OTHERS]


def test_a_pod_in_its_grace_period_counts_as_memory_that_will_be_free() -> None:
    of = pressed(pods=[pod("big", deletionTimestamp="2026-01-01T12:00:20Z"), pod("small")])
    assert node(of).outgoing == 2 * GIB
    late = WALL + timedelta(seconds=20) + ENDS_LATE
    assert node(replace(of, wall=late)).outgoing == 2 * GIB
    assert node(replace(of, wall=late + timedelta(seconds=1))).outgoing == 0.0


def test_a_source_that_is_deleted_at_the_end_of_its_move_is_not_booked_twice() -> None:
    of = pressed(
        pods=[pod("big", deletionTimestamp="2026-01-01T12:00:20Z"), pod("small")],
        migrations=(under_way(pod="big", gib=2.0),),
    )
    assert node(of).outgoing == 2 * GIB


def test_what_a_move_costs_is_asked_on_urgent_nodes_only() -> None:
    of = pressed()
    assert pod_of(of, "shop/big").cost.total == 5.0
    calm = replace(of.believed["node-a"].report, urgent=False)
    believed = {**of.believed, "node-a": replace(of.believed["node-a"], report=calm)}
    assert pod_of(replace(of, believed=believed), "shop/big").cost.total == 0.0


def test_a_calm_node_is_made_anew_where_something_changed_and_only_there() -> None:
    calm = report(urgent=False, pods=(PodMemory("u-big", GIB, GIB),))
    of, book = known({"node-a": calm}, [pod("big")]), Book()
    first = node(of, book=book)
    assert node(of, book=book) is first
    changes: list[dict[str, Any]] = [
        {"doubts": {"node-a": "silent"}},
        {"pods": {"node-a": (pod("big", labels={}),)}},
        {"migrations": (under_way(pod="big"),)},
        {"nodes": {"node-a": samples.node("node-a", cordoned=True)}},
        {"believed": {"node-a": replace(of.believed["node-a"], at=1.0)}},
        {"namespaces": {"shop": {"metadata": {"name": "shop", "resourceVersion": "9"}}}},
    ]
    for change in changes:
        node(of, book=book)
        assert node(replace(of, **change), book=book) is not node(of, book=book), change


def test_a_place_is_found_by_key_with_the_size_that_was_told() -> None:
    found = pressed().place("shop/big")
    assert found is not None
    assert (found.uid, found.node, found.size) == ("u-big", "node-a", 2 * GIB)
    assert pressed().place("shop/nobody") is None


def test_pods_are_indexed_once_as_long_as_they_are_the_same() -> None:
    of = pressed()
    assert replace(of, asked=()).raw is of.raw
    assert replace(of, pods={}).place("shop/big") is None
