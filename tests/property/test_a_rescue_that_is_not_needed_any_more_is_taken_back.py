"""A spike that ends, a victim that ends, a pod that is deleted: nothing is frozen for it."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.kube import paths
from tests.property.rescue_world import DONE, FREEZE, GIB, World


def spiking(**spec: Any) -> World:
    world = World()
    world.add_pod("big", "node-00", 2.6)
    world.add_pod("spike", "node-00", 0.7)
    world.add_policy(**spec)
    return world


async def until_asked(world: World) -> None:
    while not world.migrations():
        await world.tick()


async def test_a_spike_that_ends_is_over_before_the_freeze() -> None:
    world = spiking()
    await until_asked(world)
    world.workloads["spike"].size = 0.1 * GIB
    await world.run(30)
    assert not world.frozen
    assert [reason for _, reason in world.ended_by] == ["Cancelled"]
    assert world.workloads["big"].node == "node-00"
    assert world.events("PressureGone")
    assert world.action("node-00") == "Cancel"
    assert len(world.migrations()) == 1


async def test_a_spike_that_ends_at_the_last_moment_is_over_right_before_the_freeze() -> None:
    world = spiking(periodSeconds=30)
    await until_asked(world)
    await world.run(FREEZE - 1)
    world.workloads["spike"].size = 0.1 * GIB
    await world.run(20)
    assert not world.frozen
    assert [reason for _, reason in world.ended_by] == ["PressureGone"]


async def test_one_look_without_pressure_takes_nothing_back() -> None:
    world = spiking()
    await until_asked(world)
    await world.tick()
    world.workloads["spike"].size = 0.1 * GIB
    await world.tick()
    world.workloads["spike"].size = 0.7 * GIB
    await world.run(20)
    assert world.frozen == ["big"]
    assert len(world.migrations()) == 1


async def test_what_is_frozen_already_is_not_taken_back() -> None:
    world = spiking()
    await until_asked(world)
    await world.run(FREEZE + 1)
    assert world.frozen == ["big"]
    world.workloads["spike"].size = 0.1 * GIB
    await world.run(DONE)
    assert world.workloads["big"].node != "node-00"


async def test_a_move_that_froze_unseen_is_not_taken_back_by_an_old_store() -> None:
    world = spiking()
    await until_asked(world)
    await world.run(FREEZE - 1)
    world.stale = True
    await world.run(1)
    if not world.frozen:
        await world.run(1)
    assert world.frozen == ["big"]
    world.workloads["spike"].size = 0.1 * GIB
    await world.run(3)
    assert not [one for one in world.migrations() if one["spec"].get("cancel")]


@pytest.mark.parametrize("pool", ["a", "b"])
async def test_another_policy_s_look_does_not_count_for_it(pool: str) -> None:
    """Both look every second; what one of them saw once is not forgotten by the other."""
    world = World(0)
    for number in range(4):
        world.add_node(f"node-{number}", pool="ab"[number % 2])
    at = {"a": "node-0", "b": "node-1"}[pool]
    world.add_pod("big", at, 2.6)
    world.add_pod("spike", at, 0.7)
    world.add_policy("a", nodeSelector={"pool": "a"})
    world.add_policy("b", nodeSelector={"pool": "b"})
    await until_asked(world)
    world.workloads["spike"].size = 0.1 * GIB
    await world.run(3)
    assert [reason for _, reason in world.ended_by] == ["Cancelled"]


async def test_a_victim_that_ends_by_itself_ends_its_move() -> None:
    world = spiking()
    await until_asked(world)
    await world.run(2)
    world.end_pod("big")
    await world.run(20)
    assert not world.frozen
    assert not world.active()
    assert len(world.migrations()) == 1
    assert world.state("node-00") == "Fine"


async def test_a_victim_that_ends_before_anybody_looked_at_its_move_books_nothing_for_ever() -> (
    None
):
    world = spiking()
    world.mover_starts_after = 1000.0
    await until_asked(world)
    world.end_pod("big")
    world.add_pod("other", "node-00", 2.4)
    await world.run(40)
    assert {one["spec"]["workloadRef"]["name"] for one in world.migrations()} == {"big", "other"}


def delete(world: World, name: str, *, until: str) -> None:
    metadata = {"deletionTimestamp": until, "deletionGracePeriodSeconds": 30}
    world.server.patch(paths.pods("shop", name), {"metadata": metadata})


async def test_a_victim_that_is_being_deleted_is_not_asked_for_and_counts_as_relief() -> None:
    world = spiking()
    world.grace = 25.0
    delete(world, "big", until="2026-01-01T00:00:25Z")
    await world.run(20)
    assert not world.migrations()
    assert world.state("node-00") == "Relieving"
    await world.run(20)
    assert not world.migrations()
    assert world.state("node-00") == "Fine"


async def test_a_pod_that_does_not_end_in_its_grace_period_counts_again() -> None:
    world = spiking()
    world._kubelets = lambda: None  # type: ignore[method-assign]
    delete(world, "big", until="2026-01-01T00:00:05Z")
    await world.run(25)
    assert not world.migrations()
    await world.run(20)
    assert [one["spec"]["workloadRef"]["name"] for one in world.migrations()] == ["spike"]
