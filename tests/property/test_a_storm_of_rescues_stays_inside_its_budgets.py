"""Half of a cluster is short of memory at once: moves go on, never more at once than allowed."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.property.rescue_world import World


def storm(pressed: int, calm: int, **budgets: int) -> World:
    world = World(pressed + calm)
    for number in range(pressed):
        world.add_pod(f"big-{number}", f"node-{number:02}", 2.4)
        world.add_pod(f"small-{number}", f"node-{number:02}", 0.8)
    world.add_policy(budgets=budgets, periodSeconds=4)
    return world


async def test_fifty_nodes_under_pressure_at_once_move_as_many_as_the_cluster_may() -> None:
    world = storm(50, 50, perCluster=10, inPerNode=1, outPerNode=1)
    await world.run(70)
    assert world.peaks["cluster"] == 10
    assert max(count for key, count in world.peaks.items() if key != "cluster") == 1
    assert len(world.frozen) == len(set(world.frozen)) == 50
    targets = Counter(one["spec"]["targetNode"] for one in world.migrations())
    assert max(targets.values()) == 1  # two of them would fill a node


@pytest.mark.parametrize(("out", "into", "cluster"), [(2, 1, 4), (1, 2, 3)])
async def test_budgets_of_nodes_hold_over_time(out: int, into: int, cluster: int) -> None:
    world = World(6)
    for node in range(3):
        for number in range(6):
            world.add_pod(f"app-{node}-{number}", f"node-{node:02}", 0.6)
    world.add_policy(
        victim={"name": "minimum-migration-time"},
        budgets={"perCluster": cluster, "inPerNode": into, "outPerNode": out},
    )
    await world.run(60)
    for key, count in world.peaks.items():
        limit = {"from": out, "to": into}.get(key.split()[0], cluster)
        assert count <= limit, (key, count)
    assert world.frozen
    assert all(world.used(f"node-{node:02}") <= 3.25 * 2**30 for node in range(6))


async def test_a_storm_goes_on_within_its_budgets_under_a_new_leader_every_few_seconds() -> None:
    world = storm(8, 8, perCluster=3)
    for _ in range(16):
        await world.run(5)
        world.lead()
    assert world.peaks["cluster"] <= 3
    assert len(world.frozen) == len(set(world.frozen))
    assert len(world.frozen) >= 6
