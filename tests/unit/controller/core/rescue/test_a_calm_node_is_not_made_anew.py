"""A node of a snapshot is made anew exactly where something that it rests on changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podferry.controller.core.rescue.cluster import Book, Known, snapshot
from podferry.controller.core.rescue.history import NodeHistory
from podferry.controller.core.rescue.moves import Ledger
from podferry.controller.core.rescue.reports import Believed
from podferry.controller.core.view import NodeView
from podferry.wire.memory import PodMemory, Report

GIB = 1 << 30
WALL = datetime(2026, 1, 1, tzinfo=UTC)
NONE = Ledger((), {}, {}, {}, {})


def view(name: str, **more: Any) -> NodeView:
    return replace(NodeView(name, "10.0.0.1", True, False, (), {}, 4 * GIB, GIB, None), **more)


def raw(name: str, node: str, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "team", "uid": name, "resourceVersion": "1",
                     "labels": {"podferry.dev/migratable": "true"}, **metadata},
        "spec": {"nodeName": node, "runtimeClassName": "podferry", "containers": [{"name": "app"}]},
        "status": {"phase": "Running", "containerStatuses": [
            {"name": "app", "containerID": "containerd://x", "state": {"running": {}}}]},
    }  # fmt: skip


def report(node: str, *pods: str, available: float = 3 * GIB, urgent: bool = False) -> Believed:
    told = tuple(PodMemory(uid, GIB / 2, GIB / 2) for uid in pods)
    return Believed(
        Report(node, "boot", 1, 1.0, 0.0, 1.0, 4 * GIB, available, 0.1 * GIB, "file", urgent,
               pods=told),
        1.0,
        1.0,
    )  # fmt: skip


def known() -> Known:
    names = ("a", "b")
    return Known(
        now=2.0,
        wall=WALL,
        nodes={name: view(name) for name in names},
        believed={name: report(name, f"pod-{name}") for name in names},
        doubts={},
        histories={name: NodeHistory() for name in names},
        pods={name: (raw(f"pod-{name}", name),) for name in names},
        namespaces={"team": {"metadata": {"name": "team", "resourceVersion": "1"}}},
        migrations=(),
    )


EXCLUDED = {"metadata": {"name": "team", "resourceVersion": "2",
                         "labels": {"podferry.dev/exclude": "true"}}}  # fmt: skip


def with_a(before: Known, what: str, value: Any) -> Known:
    return replace(before, **{what: {**getattr(before, what), "a": value}})


CHANGES = {
    "its report": lambda it: with_a(it, "believed", report("a", "pod-a", available=2 * GIB)),
    "its object": lambda it: with_a(it, "nodes", view("a", cordoned=True)),
    "its pods": lambda it: with_a(it, "pods", (*it.pods["a"], raw("new", "a"))),
    "doubt": lambda it: with_a(it, "doubts", "silent"),
    "its namespaces": lambda it: replace(it, namespaces={"team": EXCLUDED}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of(what: str) -> None:
    book, before = Book(), known()
    old = snapshot(before, NONE, book).node("a")
    after = CHANGES[what](before)
    new = snapshot(after, NONE, book).node("a")
    assert new != old
    assert new == snapshot(after, NONE, Book()).node("a")


@pytest.mark.parametrize(
    "ledger",
    [
        replace(NONE, incoming={"a": 1.0}),
        replace(NONE, outgoing={"a": 1.0}),
        replace(NONE, busy={"pod-a": "is being moved"}),
        replace(NONE, moved={"pod-a": 1}),
    ],
)
def test_a_move_of_it(ledger: Ledger) -> None:
    book, it = Book(), known()
    old = snapshot(it, NONE, book).node("a")
    new = snapshot(it, ledger, book).node("a")
    assert new != old
    assert new == snapshot(it, ledger, Book()).node("a")


def test_another_node_stays_the_same_object() -> None:
    book, before = Book(), known()
    old = snapshot(before, NONE, book).node("b")
    after = CHANGES["its report"](before)
    assert snapshot(after, NONE, book).node("b") is old


def test_a_pod_that_is_being_deleted_counts_for_a_time_only() -> None:
    book, it = Book(), known()
    gone = raw("pod-a", "a", deletionTimestamp="2026-01-01T00:00:00Z", resourceVersion="2")
    it = with_a(it, "pods", (gone,))
    assert snapshot(it, NONE, book).node("a").outgoing > 0
    later = replace(it, wall=WALL + timedelta(hours=1))
    assert snapshot(later, NONE, book).node("a").outgoing == 0


def test_what_a_move_costs_is_asked_anew_for_an_urgent_node() -> None:
    from podferry.policies.vocabulary import MoveCost

    book = Book()
    it = with_a(known(), "believed", report("a", "pod-a", urgent=True))
    for seconds in (1.0, 2.0):
        it = replace(it, cost=lambda _pod, _size, total=seconds: MoveCost(0.0, total))
        assert snapshot(it, NONE, book).node("a").pods[0].cost.total == seconds
