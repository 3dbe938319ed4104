"""No node selected, a plug-in nobody knows, parts that exclude one another, two on one node."""

from __future__ import annotations

from typing import Any

import pytest

from tests.property.rescue_world import World


def pressed() -> World:
    world = World()
    world.add_pod("big", "node-00", 2.6)
    world.add_pod("small", "node-00", 0.5)
    return world


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"detector": {"name": "crystal-ball"}}, "no detector is called 'crystal-ball'"),
        ({"victim": {"name": "largest", "args": {"x": 1}}}, "no argument is called 'x'"),
        ({"target": {"name": "best-fit", "args": {"margin": "wide"}}}, "margin"),
        ({"gates": [{"name": "budgets"}]}, "spec.budgets says the same"),
        ({"gates": [{"name": "cool-down"}]}, "spec.budgets.coolDownSeconds says the same"),
        ({"gates": [{"name": "blocking"}, {"name": "concurrent"}]}, "name one of them"),
        ({"target": {"name": "best-fit", "args": {"freePercent": 5, "margin": 1}}},
         "the pod would be moved on at once"),
    ],
)  # fmt: skip
async def test_it_is_invalid_does_nothing_and_leaves_the_field_to_others(
    spec: dict[str, Any], told: str
) -> None:
    world = pressed()
    world.add_policy("a-wrong", **spec)
    world.add_policy("right")
    await world.run(20)
    status, _, message = world.condition("Valid", "a-wrong")
    assert status == "False"
    assert told in message
    assert world.condition("Valid", "right")[0] == "True"
    labels = [one["metadata"]["labels"] for one in world.migrations()]
    assert [each["podferry.dev/rescue-policy"] for each in labels] == ["right"]


async def test_an_invalid_policy_is_written_once_in_a_while_only() -> None:
    world = pressed()
    world.add_policy(detector={"name": "crystal-ball"})
    await world.run(59)
    assert [path for method, path in world.client.sent if method == "PATCH"] == [
        "/apis/podferry.dev/v1alpha1/rescuepolicies/default/status"
    ]


async def test_a_selector_without_a_node_is_told() -> None:
    world = pressed()
    world.add_policy(nodeSelector={"pool": "gpu"})
    await world.run(10)
    assert world.condition("Valid")[:2] == ("False", "NoNodeSelected")
    assert not world.migrations()


async def test_pods_of_a_node_that_is_not_selected_stay_and_selected_ones_may_go_there() -> None:
    world = pressed()
    world.add_node("node-90", pool="a")
    world.add_pod("big-a", "node-90", 2.6)
    world.add_pod("small-a", "node-90", 0.5)
    world.add_policy(nodeSelector={"pool": "a"})
    await world.run(20)
    assert [one["spec"]["workloadRef"]["name"] for one in world.migrations()] == ["big-a"]
    assert world.workloads["big-a"].node in ("node-01", "node-02")


async def test_of_two_policies_on_a_node_the_older_acts() -> None:
    world = pressed()
    world.add_policy("z-older")
    world.clock.advance(60)
    world.add_policy("a-newer", victim={"name": "kubelet-order"})
    await world.run(20)
    labels = [one["metadata"]["labels"] for one in world.migrations()]
    assert [each["podferry.dev/rescue-policy"] for each in labels] == ["z-older"]
    assert world.condition("Valid", "a-newer")[:2] == ("False", "Contested")
    assert world.state("node-00", "a-newer") == "Contested"
    why = world.policy("a-newer").status.nodes[0].why
    assert "z-older" in why
    assert world.condition("Valid", "z-older")[0] == "True"


async def test_a_newer_policy_takes_over_when_the_older_one_goes() -> None:
    world = pressed()
    world.add_policy("older", victim={"name": "never-heard-of"})
    world.clock.advance(60)
    world.add_policy("newer")
    await world.run(20)
    assert world.condition("Valid", "newer")[0] == "True"
    assert len(world.migrations()) == 1


async def test_two_policies_keep_the_budget_of_the_cluster_together() -> None:
    world = World(0)
    for number in range(4):
        pool = "a" if number < 2 else "b"
        world.add_node(f"node-{number}", pool=pool)
        world.add_pod(f"big-{number}", f"node-{number}", 2.6)
        world.add_pod(f"small-{number}", f"node-{number}", 0.5)
    world.add_node("spare-0")
    world.add_node("spare-1")
    for pool in "ab":
        world.add_policy(
            pool, nodeSelector={"pool": pool},
            budgets={"perCluster": 1, "inPerNode": 1, "outPerNode": 1},
        )  # fmt: skip
    await world.run(15)
    assert world.peaks["cluster"] == 1


async def test_a_policy_that_goes_leaves_no_gauge() -> None:
    world = pressed()
    world.add_policy("kept", mode="DryRun")
    world.add_policy("gone", mode="DryRun")
    await world.run(3)
    labels = {"policy": "gone", "state": "Fine"}
    assert world.registry.get_sample_value("podferry_rescue_nodes", labels) is not None
    world.server.remove("/apis/podferry.dev/v1alpha1/rescuepolicies/gone")
    await world.run(2)
    assert world.registry.get_sample_value("podferry_rescue_nodes", labels) is None
    labels["policy"] = "kept"
    assert world.registry.get_sample_value("podferry_rescue_nodes", labels) is not None
