"""Small scenarios in GiB and seconds, and what happened in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from podferry.policies.vocabulary import (
    Choice,
    Draw,
    Node,
    Overload,
    Placement,
    Pod,
    Policy,
    Snapshot,
)
from podferry.simulator.engine import run
from podferry.simulator.model import GIB, Cluster, MoveModel, Result, Scenario, Trace, TracePod


def pod(
    name: str, gib: Sequence[tuple[float, float]], life: float = 600.0, **more: Any
) -> TracePod:
    """A pod whose curve goes through (second, GiB)."""
    more = {
        key: value * GIB if key in ("request", "limit") else value for key, value in more.items()
    }
    more.setdefault("arrival", 0.0)
    more.setdefault("request", 0.0)
    return TracePod(
        name=name,
        times=tuple(time for time, _ in gib),
        memory=tuple(size * GIB for _, size in gib),
        lifetime=life,
        **more,
    )


def flat(name: str, gib: float, life: float = 600.0, **more: Any) -> TracePod:
    return pod(name, [(0.0, gib)], life, **more)


def cluster(nodes: int = 1, memory: float = 100.0, **more: Any) -> Cluster:
    return Cluster(nodes, memory * GIB, **{"eviction": 1.0 * GIB, **more})


def play(
    pods: Sequence[TracePod],
    on: Cluster,
    policy: Policy | None = None,
    moves: MoveModel | None = None,
    seed: int = 0,
    **more: Any,
) -> Result:
    ordered = tuple(sorted(pods, key=lambda each: each.arrival))
    scenario = Scenario(
        Trace("scene", ordered, 60.0), on, policy, moves or MoveModel(p95_of_p50=1.0), **more
    )
    return run(scenario, seed, events=True)


def events(result: Result, *what: str) -> list[tuple[float, str, str]]:
    """(second, what, pod) of the events of these kinds."""
    return [(time, kind, name) for time, kind, name, _ in result.events if kind in what]


def where(result: Result, what: str, name: str) -> str:
    """The node of the first such event of a pod."""
    return next(node for _, kind, each, node in result.events if (kind, each) == (what, name))


class Order:
    """A policy that moves named pods at named seconds, whatever the nodes hold."""

    def __init__(self, *orders: tuple[float, str]) -> None:
        self.orders = orders

    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        names = {name for time, name in self.orders if time == snapshot.now}
        if any(each.key in names for each in node.pods):
            return Overload(node.name, 0.0, None, "asked for")
        return None

    def choose(self, node: Node, overload: Overload, snapshot: Snapshot, draw: Draw) -> Choice:
        there = {each.key for each in node.pods}
        now = [name for time, name in self.orders if time == snapshot.now and name in there]
        return Choice(tuple(now), "asked for")

    def place(self, pod: Pod, node: Node, snapshot: Snapshot) -> Placement:
        others = [each.name for each in snapshot.nodes if each.name != node.name]
        return Placement(others[0] if others else "", "the first other node")


def orders(*orders: tuple[float, str], period: float = 10.0) -> Policy:
    rule = Order(*orders)
    return Policy(rule, rule, rule, period=period)
