"""Evictions against an API server: one Migration, 429 while it moves, nothing on a dry run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from podferry.api import serde
from podferry.api.clock import FakeClock
from podferry.api.migration import Endpoint, MigrationStatus
from podferry.controller.webhooks.evictions import EvictionWebhook
from podferry.kube import paths
from podferry.kube.admission import Response, answer_to
from podferry.kube.client import ApiClient
from tests.fakes.apiserver import FakeApiServer, Recorded, Refused
from tests.unit.strategies.container.samples import with_meta

OWN = "system:serviceaccount:podferry-system:podferry-controller"
DRAINER = "system:serviceaccount:kube-system:cluster-autoscaler"
MIGRATIONS = paths.migrations("shop")
POD = paths.pods("shop", "app-1")
NAME = "evict-app-1-0a1b2c3d"


@dataclass
class World:
    server: FakeApiServer
    client: ApiClient
    clock: FakeClock
    verdicts: list[str] = field(default_factory=list)

    def webhook(self) -> EvictionWebhook:
        return EvictionWebhook(
            self.client,
            clock=self.clock,
            parse=serde.parse_migration,
            own_user=OWN,
            count=self.verdicts.append,
        )

    def migrations(self) -> list[dict[str, Any]]:
        return self.server.objects(MIGRATIONS)

    def becomes(self, status: MigrationStatus) -> None:
        raw = {"status": serde.status_to_dict(status)}
        self.server.patch(paths.migrations("shop", NAME), raw)

    def wrote(self) -> list[str]:
        return [seen.path for seen in self.server.requests if seen.method != "GET"]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeApiServer() as server:
        server.seed(POD, with_meta(name="app-1", uid="0a1b2c3d-ffff"))
        server.seed(paths.namespaces("shop"), {"metadata": {"name": "shop"}})
        server.seed(paths.nodes("node-a"), {"metadata": {"name": "node-a"}, "spec": {}})
        client = await server.client()
        yield World(server, client, FakeClock(datetime.now(UTC)))
        await client.close()


def review(name: str = "app-1", *, user: str = DRAINER, **more: Any) -> dict[str, Any]:
    """As the API server asks for it."""
    options = more.pop("options", {})
    return {
        "uid": "r-1",
        "name": name,
        "namespace": "shop",
        "userInfo": {"username": user},
        "object": {
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": "shop"},
            "deleteOptions": options,
        },
        **more,
    }


def code(answer: Response) -> int:
    return 201 if answer.allowed else answer.code


async def test_evictions_hold_while_one_migration_moves_and_pass_after_its_end(
    world: World,
) -> None:
    first = await world.webhook().evict(review())
    assert code(first) == 429
    (made,) = world.migrations()
    assert made["metadata"]["name"] == NAME
    assert made["metadata"]["annotations"] == {"podferry.dev/asked-by": DRAINER}
    ends = {"source": Endpoint("node-a", pod="app-1", uid="0a1b2c3d-ffff"),
            "target": Endpoint("node-b")}  # fmt: skip
    world.becomes(MigrationStatus(phase="Freezing", attempt=1, **ends))  # type: ignore[arg-type]
    again = await world.webhook().evict(review())
    assert code(again) == 429
    assert "from node-a to node-b" in again.message
    at = world.clock.now().isoformat()
    over = MigrationStatus(phase="Failed", completed_at=at, **ends)  # type: ignore[arg-type]
    world.becomes(over)
    after = await world.webhook().evict(review())
    assert code(after) == 201
    assert "ended Failed" in after.warnings[0]
    assert len(world.migrations()) == 1
    assert world.verdicts == ["eviction-create", "eviction-hold", "eviction-allow"]


async def test_many_replicas_at_once_make_one_migration(world: World) -> None:
    answers = await asyncio.gather(*(world.webhook().evict(review()) for _ in range(6)))
    assert [code(answer) for answer in answers] == [429] * 6
    assert len(world.migrations()) == 1


@pytest.mark.parametrize("more", [{"dryRun": True}, {"options": {"dryRun": ["All"]}}])
async def test_a_dry_run_passes_says_what_would_be_and_writes_nothing(
    world: World, more: dict[str, Any]
) -> None:
    answer = await world.webhook().evict(review(**more))
    assert code(answer) == 201
    assert "dry run:" in answer.warnings[0]
    assert world.wrote() == []


async def test_pods_that_are_unknown_or_did_not_opt_in_pass_after_one_read(world: World) -> None:
    plain = with_meta(name="plain", labels={})
    world.server.seed(paths.pods("shop", "plain"), plain)
    for name in ("plain", "nobody"):
        world.server.requests.clear()
        assert await world.webhook().evict(review(name)) == Response(allowed=True)
        assert [seen.path for seen in world.server.requests] == [paths.pods("shop", name)]
    assert world.verdicts == []


async def test_the_controller_s_own_evictions_pass_unread(world: World) -> None:
    assert (await world.webhook().evict(review(user=OWN))).allowed
    assert world.server.requests == []


async def test_another_uid_than_the_pod_s_makes_no_migration(world: World) -> None:
    options = {"preconditions": {"uid": "of-an-earlier-one"}}
    assert code(await world.webhook().evict(review(options=options))) == 201
    assert world.migrations() == []


async def test_while_the_api_server_cannot_be_read_the_pod_waits(world: World) -> None:
    def busy(seen: Recorded) -> Refused | None:
        return Refused(503, "ServiceUnavailable", "busy") if seen.path == MIGRATIONS else None

    world.server.intercept = busy
    answer = await world.webhook().evict(review())
    assert code(answer) == 429
    assert "ask again" in answer.message


async def test_where_no_migration_may_be_made_the_eviction_passes_and_says_so(
    world: World,
) -> None:
    def full(seen: Recorded) -> Refused | None:
        if seen.method == "POST":
            return Refused(403, "Forbidden", "exceeded quota: moves")
        return None

    world.server.intercept = full
    answer = await world.webhook().evict(review())
    assert code(answer) == 201
    assert "exceeded quota: moves" in answer.warnings[0]


async def test_one_that_cannot_be_read_and_moves_this_pod_holds_it(world: World) -> None:
    raw = {"metadata": {"name": "newer", "namespace": "shop"},
           "spec": {"workloadRef": {"kind": "Pod", "name": "app-1"}},
           "status": {"decision": "Sideways", "source": {"uid": "0a1b2c3d-ffff"}}}  # fmt: skip
    world.server.seed(paths.migrations("shop", "newer"), raw)
    answer = await world.webhook().evict(review())
    assert code(answer) == 429
    assert "newer" in answer.message
    raw["status"]["source"]["uid"] = "of-another"  # type: ignore[index]
    world.server.patch(paths.migrations("shop", "newer"), {"status": raw["status"]})
    await world.webhook().evict(review())
    assert NAME in [one["metadata"]["name"] for one in world.migrations()]


async def test_the_answer_has_the_reason_by_which_clients_know_to_ask_again(world: World) -> None:
    answer = answer_to({"uid": "r"}, await world.webhook().evict(review()))
    status = answer["response"]["status"]
    assert (status["code"], status["reason"]) == (429, "TooManyRequests")
    # With retryAfterSeconds clients wait by themselves, unseen by whoever drains.
    assert "details" not in status
