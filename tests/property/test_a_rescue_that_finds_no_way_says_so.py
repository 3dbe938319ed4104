"""No room, nobody to move, growth faster than any move: it is told, and what is allowed is done."""

from __future__ import annotations

import pytest

from tests.fakes.model import Refused
from tests.property.rescue_world import GIB, World

EXHAUSTION = {
    "detector": {"name": "time-to-exhaustion", "args": {"margin": 5}},
    "victim": {"name": "minimum-migration-time"},
}
RESTART = {"fallback": ["ColdRestart"]}


def full() -> World:
    """Two nodes, the one overloaded, the other with no room for its pods."""
    world = World(2)
    world.add_pod("big", "node-00", 2.0)
    world.add_pod("second", "node-00", 1.6)
    world.add_pod("neighbour", "node-01", 2.4)
    return world


async def test_the_shortfall_is_told_in_bytes() -> None:
    world = full()
    world.add_policy()
    await world.run(10)
    assert not world.migrations()
    assert world.action("node-00") == "NoRoom"
    status, reason, message = world.condition("RoomFound")
    assert (status, reason) == ("False", "NoRoom")
    assert "node-00 lacks 1.6 GiB" in message
    decision = world.policy().status.nodes[0].last_decision
    assert decision is not None
    # Of 4 GiB node-01 uses 2.65; with 2.0 more 1.0 must stay free: 25 %.
    assert decision.shortfall_bytes == pytest.approx(1.65 * GIB, abs=2)
    assert len(world.events("NoRoom")) == 1
    assert {"big", "second"} <= world.workloads.keys()


async def test_room_that_is_found_later_is_told_as_well() -> None:
    world = full()
    world.add_policy()
    await world.run(5)
    world.end_pod("neighbour")
    await world.run(20)
    assert world.condition("RoomFound")[0] == "True"
    assert world.workloads["big"].node == "node-01"


async def test_a_cold_restart_ends_one_pod_and_waits_for_its_memory() -> None:
    world = full()
    world.grace = 30.0
    world.add_policy(**RESTART)
    await world.run(25)
    assert world.action("node-00") == "ColdRestart"
    evictions = [path for method, path in world.client.sent if path.endswith("/eviction")]
    assert set(evictions) == {"/api/v1/namespaces/shop/pods/big/eviction"}
    assert "second" in world.workloads
    assert len(world.events("ColdRestarted")) == 1
    await world.run(20)
    assert world.workloads.keys() == {"second", "neighbour"}
    assert not world.migrations()


async def test_a_dry_run_only_says_that_it_would_restart() -> None:
    world = full()
    world.add_policy(mode="DryRun", **RESTART)
    await world.run(10)
    assert world.action("node-00") == "WouldColdRestart"
    assert "big" in world.workloads


async def test_a_disruption_budget_that_refuses_is_told() -> None:
    world = full()
    no = "Cannot evict pod as it would violate the pod's disruption budget."
    refused = Refused(429, "TooManyRequests", no)
    world.client.fault = lambda _method, path: refused if path.endswith("/eviction") else None
    world.add_policy(**RESTART)
    await world.run(10)
    assert {"big", "second"} <= world.workloads.keys()
    assert not world.events("ColdRestarted")
    assert len(world.events("ColdRestartRefused")) == 1
    assert no in world.events("ColdRestartRefused")[0]
    assert world.condition("RoomFound")[0] == "True"


async def test_a_node_that_this_look_does_not_get_to_is_not_restarted() -> None:
    world = World(4)
    for node in ("node-00", "node-01"):
        world.add_pod(f"big-{node}", node, 2.6)
        world.add_pod(f"small-{node}", node, 0.5)
    world.add_policy(movesAtOnce=1, **RESTART)
    await world.run(30)
    assert not [path for _, path in world.client.sent if path.endswith("/eviction")]
    assert len(world.migrations()) == 2


async def test_where_every_pod_is_excluded_that_is_said_and_nothing_is_done() -> None:
    world = World()
    for name, size in (("a", 2.0), ("b", 1.5)):
        world.add_pod(name, "node-00", size, annotations={"podferry.dev/exclude": "true"})
    world.add_policy(**RESTART)
    await world.run(10)
    assert world.action("node-00") == "NoVictim"
    assert len(world.events("NoVictim")) == 1
    assert not world.migrations()
    assert world.workloads.keys() == {"a", "b"}
    candidates = world.rescuer.insight()["policies"][0]["nodes"][0]["candidates"]
    assert any("exclude" in one["why"] for one in candidates if one["key"] == "shop/a")


def rocket() -> World:
    world = World()
    world.add_pod("rocket", "node-00", 1.0)
    return world


async def launch(world: World, gib: float = 0.8) -> None:
    await world.run(3)
    world.workloads["rocket"].grows = gib * GIB
    await world.run(1)


async def test_growth_faster_than_any_move_is_said_early_and_the_move_is_tried() -> None:
    world = rocket()
    world.add_policy(**EXHAUSTION)
    await launch(world)
    status, reason, message = world.condition("InTime")
    assert (status, reason) == ("False", "GrowsFasterThanAMove")
    assert "node-00 is out of memory in 7.7 s" in message
    assert "shop/rocket takes up to" in message
    assert len(world.migrations()) == 1
    assert len(world.events("Move")) == 1


async def test_growth_faster_than_any_move_is_said_where_no_pod_is_chosen_either() -> None:
    world = rocket()
    world.add_policy(**{**EXHAUSTION, "victim": {"name": "largest"}})
    await launch(world)
    assert world.action("node-00") == "NoVictim"
    assert world.condition("InTime")[0] == "False"


async def test_growth_faster_than_any_move_restarts_where_that_is_allowed() -> None:
    world = rocket()
    world.add_policy(**EXHAUSTION, **RESTART)
    await launch(world)
    assert len(world.events("ColdRestarted")) == 1
    assert not world.migrations()
    await world.run(1)
    assert "rocket" not in world.workloads


async def test_what_is_late_and_has_no_room_is_told_both() -> None:
    world = World(1)
    world.add_pod("rocket", "node-00", 1.0)
    world.add_policy(**EXHAUSTION)
    await launch(world)
    assert world.action("node-00") == "NoRoom"
    assert world.condition("InTime")[0] == world.condition("RoomFound")[0] == "False"


async def test_what_is_late_and_held_by_a_budget_is_not_told_to_have_no_room() -> None:
    world = World(4)
    world.add_pod("rocket", "node-00", 1.5)
    world.add_pod("second", "node-00", 0.9)
    world.add_policy(**EXHAUSTION)
    await launch(world, 0.4)
    await world.run(1)
    assert world.condition("InTime")[0] == "False"
    assert world.condition("RoomFound")[0] == "True"
    assert world.peaks["from node-00"] == 1
