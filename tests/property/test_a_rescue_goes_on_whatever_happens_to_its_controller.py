"""Another leader, a clock that jumps, an API server that is away or does not answer: one move."""

from __future__ import annotations

from datetime import timedelta

import pytest

from podferry.controller.core.status import parse
from podferry.kube import paths
from tests.fakes.model import Refused
from tests.property.rescue_world import GIB, World


def pressed() -> World:
    world = World()
    world.add_pod("big", "node-00", 2.6)
    world.add_pod("small", "node-00", 0.5)
    world.add_policy()
    return world


def moved_once(world: World) -> None:
    assert [one["metadata"]["name"] for one in world.migrations()] == ["rescue-big-big-uid-"]
    assert world.frozen == ["big"]
    assert world.workloads["big"].node != "node-00"
    assert world.policy().status.moves_asked == 1


async def until_asked(world: World) -> None:
    while not world.migrations():
        await world.tick()


# -- another leader ------------------------------------------------------------------------------
async def test_a_new_leader_before_the_freeze_goes_on_with_the_same_move() -> None:
    world = pressed()
    await until_asked(world)
    await world.tick()
    world.lead()
    await world.run(30)
    moved_once(world)


@pytest.mark.parametrize("what", ["policies not read", "agents silent"])
async def test_a_new_leader_that_knows_nothing_yet_holds_the_freeze_and_then_goes_on(
    what: str,
) -> None:
    world = pressed()
    await until_asked(world)
    world.lead()
    agents = world.agents.values()
    if what == "agents silent":
        for agent in agents:
            agent.spoil = lambda _raw: None
    else:
        world.synced = False
        world.stores["policies"].replace([])
        world.stale = True
    await world.run(15)
    assert not world.frozen
    assert world.active()
    world.synced, world.stale = True, False
    for agent in agents:
        agent.spoil = lambda raw: raw
    await world.run(30)
    moved_once(world)


async def test_a_policy_that_is_gone_before_the_freeze_takes_its_move_back() -> None:
    world = pressed()
    await until_asked(world)
    world.server.remove(paths.rescue_policies("default"))
    await world.run(20)
    assert not world.frozen
    assert [reason for _, reason in world.ended_by] == ["PressureGone"]


async def test_a_replica_that_does_not_lead_writes_nothing() -> None:
    world = pressed()
    world.leads = False
    world.add_policy("wrong", detector={"name": "crystal-ball"})
    await world.run(10)
    assert not [one for one in world.client.sent if one[0] != "GET"]


async def test_a_new_leader_with_an_old_store_asks_for_no_second_move() -> None:
    world = pressed()
    await until_asked(world)
    before = {kind: store.list() for kind, store in world.stores.items()}
    world.lead()
    for kind, objects in before.items():
        world.stores[kind].replace(objects)
    world.stores["migrations"].replace([])
    world.stale = True
    await world.run(2)
    world.stale = False
    await world.run(30)
    moved_once(world)


# -- the wall clock ------------------------------------------------------------------------------
@pytest.mark.parametrize("hours", [-1, 1])
@pytest.mark.parametrize("at", [2, 6, 9, 20])
async def test_a_wall_clock_that_jumps_changes_no_decision(hours: int, at: int) -> None:
    world = pressed()
    await world.run(at)
    world.clock.offset = timedelta(hours=hours)
    await world.run(60 - at)
    moved_once(world)
    age = world.clock.now().timestamp() - parse(world.policy().status.evaluated_at).timestamp()
    assert 0 <= age <= 61


async def test_budgets_hold_while_the_wall_clock_jumps_about() -> None:
    world = World(6)
    for node in ("node-00", "node-01", "node-02"):
        world.add_pod(f"big-{node}", node, 2.6)
        world.add_pod(f"small-{node}", node, 0.5)
    world.add_policy(budgets={"perCluster": 1})
    for hours in (0, 1, -1, 2, -2, 0, 1):
        world.clock.offset = timedelta(hours=hours)
        await world.run(7)
    assert world.peaks["cluster"] == 1
    assert len(world.frozen) == 3


async def test_a_workload_cools_down_after_its_move_and_not_until_a_wrong_clock_is_right() -> None:
    world = World(2)
    world.add_policy(budgets={"coolDownSeconds": 60})
    world.clock.offset = timedelta(hours=1)
    world.add_pod("big", "node-00", 2.6)
    world.add_pod("small", "node-00", 0.5)
    await world.run(20)
    assert world.workloads["big"].node == "node-01"
    world.end_pod("small")
    world.add_pod("late", "node-01", 0.5)
    await world.run(20)
    assert len(world.migrations()) == 1
    assert world.action("node-01") == "Wait"
    world.clock.offset = timedelta(0)
    await world.run(20)
    assert len(world.migrations()) == 2


# -- the API server ------------------------------------------------------------------------------
def migrations_only(fault: str | Refused):  # type: ignore[no-untyped-def]
    return lambda method, path: fault if method == "POST" and path.endswith("/migrations") else None


FAULTS = {
    "away": "away",
    "overloaded": Refused(429, "TooManyRequests", "slow down"),
    "failing": Refused(500, "InternalError", "etcdserver: request timed out"),
    "forbidden": Refused(403, "Forbidden", "no"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_move_is_asked_for_when_the_api_server_is_back(fault: str) -> None:
    world = pressed()
    world.client.fault = migrations_only(FAULTS[fault])  # type: ignore[arg-type]
    await world.run(10)
    assert not world.migrations()
    world.client.fault = lambda _method, _path: None
    await world.run(30)
    moved_once(world)


async def test_nothing_breaks_while_the_api_server_is_away_altogether() -> None:
    world = pressed()
    world.client.fault = lambda _method, _path: "away"
    await world.run(10)
    world.client.fault = lambda _method, _path: None
    await world.run(30)
    moved_once(world)


async def test_a_creation_whose_answer_was_lost_is_not_repeated() -> None:
    world = pressed()
    world.client.fault = migrations_only("lost")
    await world.tick()
    world.stale = True
    await world.tick()
    world.client.fault = lambda _method, _path: None
    assert len(world.migrations()) == 1
    await world.run(5)
    world.stale = False
    await world.run(30)
    assert len(world.migrations()) == 1
    assert world.frozen == ["big"]


async def test_while_it_is_not_known_whether_a_move_was_asked_for_no_other_pod_is_asked() -> None:
    """The victim that the rule names may be another one a second later."""
    world = pressed()
    lost = migrations_only("lost")

    def fault(method: str, path: str) -> str | Refused | None:
        return "away" if method == "GET" else lost(method, path)  # type: ignore[no-any-return]

    world.client.fault = fault
    await until_asked(world)
    world.stale = True
    world.workloads["small"].size, world.workloads["big"].size = 2.4 * GIB, 0.7 * GIB
    await world.run(4)
    assert len(world.migrations()) == 1
    world.client.fault, world.stale = lambda _method, _path: None, False
    await world.run(40)
    assert world.peaks["from node-00"] == 1


async def test_a_status_that_was_not_written_is_written_and_counts_every_move() -> None:
    world = pressed()
    world.client.fault = lambda method, _path: "away" if method == "PATCH" else None
    await until_asked(world)
    await world.run(3)
    world.client.fault = lambda _method, _path: None
    await world.run(3)
    assert world.policy().status.moves_asked == 1
    assert world.condition("Valid")[0] == "True"


async def test_a_move_that_the_store_shows_before_anybody_looked_at_it_counts() -> None:
    """The reconciler is slow: the Migration is there and has no status for a while."""
    world = pressed()
    world.add_pod("third", "node-00", 0.3)
    world.mover_starts_after = 20.0
    await world.run(15)
    assert len(world.migrations()) == 1
    assert world.action("node-00") == "Move"
    world.lead()
    await world.run(50)
    moved_once(world)
