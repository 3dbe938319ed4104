"""Reports, pods, Migrations and what a look may use, with one thing changed at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from podferry.api import serde
from podferry.api.migration import Migration
from podferry.api.rescue_policy import RescuePolicy
from podferry.controller.core.exclusions import reluctance
from podferry.controller.core.rescue.cluster import Book, Known
from podferry.controller.core.rescue.history import NodeHistory
from podferry.controller.core.rescue.look import Look, Scope, look
from podferry.controller.core.rescue.moves import Asked, Ledger, ledger
from podferry.controller.core.rescue.reports import Believed
from podferry.controller.core.rescue.valid import policy_of
from podferry.controller.core.status import stamp
from podferry.controller.core.view import NodeView
from podferry.policies.vocabulary import MoveCost
from podferry.wire.memory import PodMemory, Report
from tests.unit.strategies.container import samples

GIB = 2.0**30
WALL = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = 1000.0


def ago(seconds: float) -> str:
    return stamp(WALL - timedelta(seconds=seconds))


def report(node: str = "node-a", **more: Any) -> Report:
    plain = Report(
        node=node,
        boot_id="b",
        seq=5,
        started=1.0,
        age=0.5,
        interval=1.0,
        capacity=4 * GIB,
        available=3 * GIB,
        eviction=0.1 * GIB,
        eviction_source="/configz",
        urgent=True,
    )
    return replace(plain, **more)


def pod(name: str, node: str = "node-a", **metadata: Any) -> dict[str, Any]:
    plain = {"name": name, "uid": f"u-{name}", "resourceVersion": "1"}
    found = samples.with_meta(**{**plain, **metadata})
    found["spec"]["nodeName"] = node
    found["spec"]["containers"][0]["resources"]["requests"]["memory"] = "64Mi"
    return found


def policy(name: str = "default", created: float = 3600.0, **spec: Any) -> RescuePolicy:
    return serde.parse_rescue_policy(
        {
            "metadata": {"name": name, "uid": f"u-{name}", "creationTimestamp": ago(created)},
            "spec": {
                "mode": "Act",
                "detector": {"name": "threshold", "args": {"freePercent": 20}},
                "victim": {"name": "largest", "args": {"onlyIfEnough": False}},
                "target": {"name": "best-fit"},
                **spec,
            },
        }
    )


def migration(
    name: str = "m", pod: str = "app", *, created: float = 60.0, **more: Any
) -> Migration:
    """`more`: `status` as JSON, `targetNode`, `policy` (who asked), `kind` of the workload."""
    labels = {"podferry.dev/rescue-policy": more["policy"]} if "policy" in more else {}
    return serde.parse_migration(
        {
            "metadata": {"namespace": "shop", "name": name, "uid": more.get("uid", f"u-{name}"),
                         "creationTimestamp": ago(created), "labels": labels},
            "spec": {"workloadRef": {"kind": more.get("kind", "Pod"), "name": pod},
                     "targetNode": more.get("targetNode", "")},
            "status": more.get("status", {}),
        }
    )  # fmt: skip


def under_way(name: str = "m", pod: str = "app", gib: float = 1.0, **status: Any) -> Migration:
    """A move from node-a to node-b."""
    return migration(name, pod, status={
        "phase": "PreparingTarget",
        "source": {"node": "node-a", "pod": pod, "uid": f"u-{pod}"},
        "target": {"node": "node-b", "pod": f"{pod}-2", "uid": f"u-{pod}-2"},
        "prediction": {"freezeP50Seconds": 1, "freezeP95Seconds": 2, "totalSeconds": 10,
                       "bytes": int(gib * GIB), "source": "prior"},
        **status,
    })  # fmt: skip


def known(
    reports: Mapping[str, Report], pods: list[dict[str, Any]] | None = None, **more: Any
) -> Known:
    """Nodes are those of the reports and of `views`."""
    views: dict[str, NodeView] = {name: samples.node(name) for name in reports}
    views |= more.pop("views", {})
    by_node: dict[str, tuple[dict[str, Any], ...]] = {}
    for one in pods or []:
        node = one["spec"]["nodeName"]
        by_node[node] = (*by_node.get(node, ()), one)
    histories = {}
    for name, each in reports.items():
        histories[name] = NodeHistory()
        newest = (each.age, each.capacity - each.available)
        told = ((p.uid, (each.age, p.working_set), p.samples) for p in each.pods)
        histories[name].add(NOW, 300.0, newest, each.samples, told)
    fields: dict[str, Any] = {
        "now": NOW,
        "wall": WALL,
        "nodes": views,
        "believed": {name: Believed(each, NOW - each.age, NOW) for name, each in reports.items()},
        "doubts": {},
        "histories": histories,
        "pods": by_node,
        "namespaces": {"shop": {"metadata": {"name": "shop", "resourceVersion": "1"}}},
        "migrations": (),
        "cost": lambda _pod, _size: MoveCost(1.0, 5.0),
        "reluctant": reluctance,
    }
    return Known(**{**fields, **more})


def pressed(**more: Any) -> Known:
    """node-a has 0.4 GiB left of 4: `big` 2.0, `small` 1.0; node-b and node-c are free."""
    told = (PodMemory("u-big", 2 * GIB, 2 * GIB), PodMemory("u-small", GIB, GIB))
    reports = {
        "node-a": report("node-a", available=0.4 * GIB, pods=told),
        "node-b": report("node-b", available=3.9 * GIB),
        "node-c": report("node-c", available=3.8 * GIB),
    }
    reports |= more.pop("reports", {})
    return known(reports, more.pop("pods", [pod("big"), pod("small")]), **more)


def booked(of: Known, *asked: Asked, without: str = "") -> Ledger:
    return ledger(
        of.migrations, asked or of.asked, now=of.now, wall=of.wall, without=without, place=of.place
    )


def looked(of: Known, asked: RescuePolicy, scope: Scope | None = None) -> Look:
    everywhere = Scope(frozenset(of.nodes), {})
    rules, draw = policy_of(asked.spec), _half()
    return look(asked, rules, scope or everywhere, of, booked(of), Book(), draw)


def _half() -> Callable[[], float]:
    return lambda: 0.5
