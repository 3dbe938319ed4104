"""The webhook against an API server: one claim, no side effects of a dry run, no cache."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from podferry.api import serde
from podferry.api.clock import FakeClock
from podferry.api.errors import PodferryError
from podferry.controller.webhooks.handler import PodWebhook
from podferry.kube import errors, paths
from podferry.kube.admission import Response
from podferry.kube.client import ApiClient
from tests.fakes.apiserver import FakeApiServer
from tests.unit.controller.webhooks.pods import pod, status

MOVE = paths.migrations("default", "move")
OWN = "system:serviceaccount:podferry-system:podferry-controller"
OWNER = "system:serviceaccount:kube-system:replicaset-controller"


@dataclass
class World:
    server: FakeApiServer
    client: ApiClient
    verdicts: list[str] = field(default_factory=list)

    def webhook(self) -> PodWebhook:
        return PodWebhook(
            self.client,
            clock=FakeClock(),
            parse=serde.parse_migration,
            own_user=OWN,
            count=self.verdicts.append,
        )

    def claim(self) -> dict[str, Any] | None:
        found = self.server.object(MOVE)
        assert found is not None
        claim = found["status"].get("claim")
        assert claim is None or isinstance(claim, dict)
        return claim


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeApiServer() as server:
        server.seed(
            MOVE,
            {
                "metadata": {"name": "move", "namespace": "default"},
                "spec": {"workloadRef": {"kind": "Deployment", "name": "web"}},
                "status": serde.status_to_dict(status()),
            },
        )
        client = await server.client()
        yield World(server, client)
        await client.close()


def review(uid: str = "r-1", *, user: str = OWNER, **more: Any) -> dict[str, Any]:
    return {
        "uid": uid,
        "namespace": "default",
        "object": more.pop("object", None) or pod(),
        "userInfo": {"username": user},
        **more,
    }


def annotations_of(answer: Response) -> dict[str, str]:
    found = [item["value"] for item in answer.patch if item["path"] == "/metadata/annotations"]
    return dict(found[0]) if found else {}


async def test_the_claim_is_written_before_the_pod_is_let_in(world: World) -> None:
    answer = await world.webhook().mutate_pod(review("r-1"))
    claim = world.claim()
    assert answer.allowed
    assert claim is not None
    assert (claim["token"], claim["attempt"]) == ("r-1", 1)
    assert annotations_of(answer)["podferry.dev/claim"] == "r-1"


async def test_of_two_webhooks_at_once_exactly_one_claims(world: World) -> None:
    answers = await asyncio.gather(
        *(world.webhook().mutate_pod(review(f"r-{number}")) for number in range(6))
    )
    won = [answer for answer in answers if answer.allowed]
    claim = world.claim()
    assert len(won) == 1
    assert claim is not None
    assert annotations_of(won[0])["podferry.dev/claim"] == claim["token"]
    assert all(answer.code == 429 for answer in answers if not answer.allowed)
    assert sorted(world.verdicts) == ["claimed", *["held"] * 5]


async def test_a_dry_run_shows_the_patch_and_claims_nothing(world: World) -> None:
    answer = await world.webhook().mutate_pod(review(dryRun=True))
    assert answer.allowed
    assert annotations_of(answer)["podferry.dev/restore-role"] == "replacement"
    assert world.claim() is None


async def test_a_claim_by_someone_else_after_our_read_holds_the_pod_back(world: World) -> None:
    await world.webhook().mutate_pod(review("r-1"))
    answer = await world.webhook().mutate_pod(review("r-2"))
    assert not answer.allowed
    assert "retried by its controller" in answer.message


async def test_if_migrations_cannot_be_read_the_pod_is_not_let_in(world: World) -> None:
    await world.client.close()
    client = ApiClient.for_url("http://127.0.0.1:9")
    webhook = PodWebhook(client, clock=FakeClock(), parse=serde.parse_migration, own_user=OWN)
    with pytest.raises(errors.ApiError):
        await webhook.mutate_pod(review())
    await client.close()


async def test_the_controller_s_own_restore_pods_pass_without_a_claim(world: World) -> None:
    mine = pod(metadata={"name": "web-rehearsal", "annotations": {"podferry.dev/restore": "u.1"}})
    answer = await world.webhook().mutate_pod(review(user=OWN, object=mine))
    assert answer.allowed
    assert world.claim() is None


async def test_our_annotations_are_guarded_on_pods_that_did_not_opt_in(world: World) -> None:
    theirs = pod(metadata={"labels": {}, "annotations": {"podferry.dev/restore": "u.1"}})
    webhook = world.webhook()
    assert not (await webhook.guard_pod(review(object=theirs))).allowed
    assert (await webhook.guard_pod(review(user=OWN, object=theirs))).allowed
    assert (await webhook.guard_pod(review(object=pod()))).allowed


@pytest.mark.parametrize("started", [False, True])
async def test_a_migration_that_cannot_be_read_blocks_only_once_it_moves_something(
    world: World, started: bool
) -> None:
    body: dict[str, Any] = {"spec": {"workloadRef": {"kind": "Nonsense", "name": "web"}}}
    if not started:
        body["status"] = None
    world.server.patch(MOVE, body)
    if started:
        with pytest.raises(PodferryError):
            await world.webhook().mutate_pod(review())
    else:
        assert (await world.webhook().mutate_pod(review())).allowed
