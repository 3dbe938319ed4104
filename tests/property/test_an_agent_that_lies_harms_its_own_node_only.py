"""Whatever one agent sends: nothing is moved from or to its node, and other nodes are rescued."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.property.rescue_world import GIB, Object, World

Spoil = Callable[[Object], Object | None]
NAN, INF = float("nan"), float("inf")


def of_pods(raw: Object, **fields: Any) -> list[Object]:
    return [{**pod, **fields} for pod in raw["pods"]]


LIES: dict[str, Spoil] = {
    "silence": lambda raw: None,
    "stale": lambda raw: {**raw, "age": 60.0, "samples": [[60.0, 1.0]]},
    "backwards": lambda raw: {**raw, "seq": 5000 - raw["seq"]},
    "the same sample again": lambda raw: {**raw, "seq": 5},
    "NaN": lambda raw: {**raw, "available": NAN},
    "infinite": lambda raw: {**raw, "available": -INF},
    "NaN of a pod": lambda raw: {**raw, "pods": of_pods(raw, workingSet=NAN)},
    "text for a number": lambda raw: {**raw, "available": "none"},
    "a number of 400 digits": lambda raw: {**raw, "available": 10**400},
    "not an object": lambda raw: [raw],  # type: ignore[return-value,dict-item]
    "another node's name": lambda raw: {**raw, "node": "node-01"},
    "another size of memory": lambda raw: {**raw, "capacity": 64 * GIB},
    "more free than there is": lambda raw: {**raw, "available": 5 * GIB},
    "far below nothing": lambda raw: {**raw, "available": -(2.0**49)},
    "a threshold beyond its memory": lambda raw: {**raw, "eviction": 4 * GIB},
    "pods larger than the node": lambda raw: {**raw, "pods": of_pods(raw, workingSet=9 * GIB)},
    "one pod twice": lambda raw: {**raw, "pods": raw["pods"] * 2},
    "samples beyond its memory": lambda raw: {**raw, "samples": [[1e-9, 2.0**49], [0.0, 1.0]]},
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_makes_its_node_unknown_and_no_other(lie: str) -> None:
    world = World()
    world.add_pod("small", "node-01", 0.5)
    liar = world.add_pod("of-the-liar", "node-00", 0.5)
    honest = world.add_pod("of-the-honest", "node-01", 0.5)
    world.add_policy()
    await world.run(5)
    world.agents["node-00"].spoil = LIES[lie]
    await world.run(15)
    liar.size, honest.size = 3.3 * GIB, 2.6 * GIB
    await world.run(25)
    assert [one["spec"]["workloadRef"]["name"] for one in world.migrations()] == ["of-the-honest"]
    assert honest.node == "node-02"
    assert world.state("node-00") == "Unknown"
    status, reason, message = world.condition("NodesKnown")
    assert (status, reason) == ("False", "AgentSilent")
    assert "node-00: " in message


async def test_numbers_that_never_change_are_not_a_measurement() -> None:
    world = World()
    first: list[Object] = []

    def frozen(raw: Object) -> Object:
        first.append(raw)
        same = first[0]
        return {**raw, **{key: same[key] for key in ("available", "pods", "samples")}}

    world.agents["node-00"].spoil = frozen
    world.add_pod("grower", "node-00", 0.5, grows=0.005 * GIB)
    world.add_pod("other", "node-01", 0.5, grows=1000.0)
    world.add_pod("third", "node-02", 0.5, grows=1000.0)
    world.add_policy()
    await world.run(290)
    assert world.state("node-00") == "Fine"
    await world.run(40)
    assert world.state("node-00") == "Unknown"
    refused = world.registry.get_sample_value("podferry_memory_reports_total",
                                              {"outcome": "Frozen"})  # fmt: skip
    assert refused
    assert refused > 0


async def test_a_liar_that_tells_the_truth_again_is_believed() -> None:
    world = World()
    pod = world.add_pod("of-the-liar", "node-00", 0.5)
    world.add_pod("small", "node-00", 0.4)
    world.add_policy()
    await world.run(5)
    world.agents["node-00"].spoil = LIES["NaN"]
    await world.run(15)
    pod.size = 2.6 * GIB
    await world.run(15)
    assert not world.migrations()
    world.agents["node-00"].spoil = lambda raw: raw
    await world.run(15)
    assert pod.node != "node-00"


async def test_an_agent_that_starts_again_with_an_earlier_clock_is_believed_in_a_while() -> None:
    world = World()
    pod = world.add_pod("app", "node-00", 0.5)
    world.add_pod("small", "node-00", 0.4)
    world.add_policy()
    await world.run(5)
    agent = world.agents["node-00"]
    agent.started, agent.seq = 10.0, 0
    pod.size = 2.6 * GIB
    await world.run(25)
    assert not world.migrations()
    await world.run(25)
    assert pod.node != "node-00"
