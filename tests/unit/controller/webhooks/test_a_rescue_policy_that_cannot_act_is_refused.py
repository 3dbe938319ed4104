"""RescuePolicies at the door: what is refused, with what is known; what only warns."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from podferry.controller.webhooks.rescue_policies import RescuePolicyWebhook
from podferry.kube import paths
from podferry.kube.admission import answer_to
from podferry.kube.client import ApiClient
from tests.fakes.apiserver import FakeApiServer, Recorded, Refused

Object = dict[str, Any]
SPEC: Object = {
    "detector": {"name": "threshold", "args": {"freePercent": 35}},
    "victim": {"name": "big-enough", "args": {"otherwise": {"name": "largest"}}},
    "target": {"name": "least-peak"},
    "gates": [{"name": "concurrent"}],
}


@dataclass
class World:
    server: FakeApiServer
    client: ApiClient
    verdicts: list[str] = field(default_factory=list)

    async def ask(self, old: Object | None = None, **spec: Any) -> Object:
        """The response to a policy with these fields of its spec set."""
        raw = {"metadata": {"name": "p"}, "spec": {**copy.deepcopy(SPEC), **spec}}
        request = {"uid": "1", "object": raw, "oldObject": old}
        hook = RescuePolicyWebhook(self.client, count=self.verdicts.append)
        response: Object = answer_to(request, await hook.validate(request))["response"]
        return response


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeApiServer() as server:
        labels = {"pool": "a"}
        server.seed(paths.nodes("node-a"), {"metadata": {"name": "node-a", "labels": labels}})
        client = await server.client()
        yield World(server, client)
        await client.close()


async def test_a_policy_that_can_act_is_taken_without_a_word(world: World) -> None:
    assert await world.ask() == {"uid": "1", "allowed": True}
    assert world.verdicts == ["policy-allowed"]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"detector": {"name": "thresh"}}, "no detector is called 'thresh'; known are"),
        ({"victim": {"name": "x"}}, "big-enough, cost-benefit"),
        ({"target": {"name": "least-peak", "args": {"freePct": 1}}}, "known are freePercent"),
        ({"detector": {"name": "threshold", "args": {"freePercent": 130}}}, "give 0.1 to 100 %"),
        ({"gates": [{"name": "blocking"}, {"name": "concurrent"}]}, "name one of them"),
        ({"gates": [{"name": "budgets"}]}, "write spec.budgets"),
        ({"mode": "Perhaps"}, "DryRun, Act"),
        ({"periodSeconds": "soon"}, "periodSeconds"),
        ({"detector": None}, "detector"),
        ({"detector": "threshold"}, "detector"),
    ],
)
async def test_a_policy_that_cannot_act_is_refused_with_what_to_write(
    world: World, spec: Object, why: str
) -> None:
    response = await world.ask(**spec)
    assert response["allowed"] is False
    assert why in response["status"]["message"]
    assert (response["status"]["code"], response["status"]["reason"]) == (422, "Invalid")
    assert world.verdicts == ["policy-denied"]


async def test_a_policy_that_selects_no_node_is_taken_with_a_warning(world: World) -> None:
    response = await world.ask(nodeSelector={"pool": "b", "zone": "1"})
    assert response["allowed"] is True
    (warning,) = response["warnings"]
    assert "pool=b,zone=1 selects no node now" in warning
    assert "warnings" not in await world.ask(nodeSelector={"pool": "a"})


async def test_of_the_nodes_no_more_than_one_is_read(world: World) -> None:
    await world.ask(nodeSelector={"pool": "a"})
    (seen,) = [seen for seen in world.server.requests if seen.path == paths.nodes()]
    assert seen.query["limit"] == "1"


async def test_an_api_server_that_does_not_answer_refuses_no_policy(world: World) -> None:
    def refuse(_seen: Recorded) -> Refused | None:
        return Refused(403, "Forbidden", "no")

    world.server.intercept = refuse
    response = await world.ask(nodeSelector={"pool": "b"})
    assert response == {"uid": "1", "allowed": True}


async def test_a_stored_policy_that_is_not_known_any_more_may_still_be_labelled(
    world: World,
) -> None:
    unknown = {"detector": {"name": "gone-since"}}
    old = {"metadata": {"name": "p"}, "spec": {**SPEC, **unknown}}
    assert (await world.ask(old, **unknown))["allowed"] is True
    assert (await world.ask(old, **unknown, periodSeconds=9))["allowed"] is False
