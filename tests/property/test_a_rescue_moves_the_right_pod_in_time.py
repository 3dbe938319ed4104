"""An overloaded node is relieved once, by the pod that the rule names; the rest is left alone."""

from __future__ import annotations

from tests.property.rescue_world import GIB, World


async def test_the_pod_of_an_overloaded_node_moves_and_nothing_else_does() -> None:
    world = World()
    world.add_pod("small", "node-00", 0.5)
    world.add_pod("big", "node-00", 2.0, grows=0.05 * GIB)
    world.add_pod("calm", "node-01", 1.0)
    world.workloads["big"].until = 20.0
    world.add_policy()
    await world.run(60)
    assert [one["spec"]["workloadRef"]["name"] for one in world.migrations()] == ["big"]
    assert world.workloads["big"].node != "node-00"
    assert world.frozen == ["big"]
    assert world.policy().status.moves_asked == 1
    assert world.condition("Valid")[:2] == ("True", "Accepted")
    assert world.condition("RoomFound")[0] == world.condition("InTime")[0] == "True"
    assert len(world.events("Move")) == 1


async def test_a_dry_run_says_the_same_and_moves_nothing() -> None:
    world = World()
    world.add_pod("small", "node-00", 0.5)
    world.add_pod("big", "node-00", 2.6)
    world.add_policy(mode="DryRun")
    await world.run(20)
    assert world.migrations() == []
    assert world.action("node-00") == "WouldMove"
    assert world.events("WouldMove")
