"""The leader's insight is told to who shows a token of the viewer account, and to nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from podferry.api.clock import FakeClock
from podferry.controller.runtime import viewers
from podferry.controller.runtime.insight import InsightServer
from podferry.controller.runtime.viewers import Viewers
from podferry.wire import names
from tests.fakes.apiserver import FakeApiServer, Recorded
from tests.fakes.insight import insight
from tests.fakes.model import Refused

Object = dict[str, Any]
REVIEWS = ("POST", "/apis/authentication.k8s.io/v1/tokenreviews")
VIEWER = "system:serviceaccount:podferry-system:podferry-viewer"
AUDIENCE = names.INSIGHT_AUDIENCE
TOKENS: dict[str, tuple[str, list[str]]] = {
    "good": (VIEWER, [AUDIENCE]),
    "other-audience": (VIEWER, ["https://kubernetes.default.svc"]),
    "other-account": ("system:serviceaccount:shop:default", [AUDIENCE]),
    "without-audience": (VIEWER, []),
}


def review(seen: Recorded) -> tuple[int, Object]:
    """As the API server does: a token is good where one of its audiences is asked for."""
    spec = seen.body["spec"]
    if spec["token"] not in TOKENS:
        return 201, {"status": {"authenticated": False, "error": "invalid bearer token"}}
    user, audiences = TOKENS[spec["token"]]
    return 201, {
        "status": {"authenticated": True, "user": {"username": user}, "audiences": audiences}
    }


class Desk:
    """A replica that leads, and somebody who asks it."""

    def __init__(self, server: FakeApiServer, insights: InsightServer, clock: FakeClock) -> None:
        self.server, self.insights, self.clock = server, insights, clock
        self.leader = ""
        self.explained = 0

    def explain(self, *, pods: bool) -> Object:
        self.explained += 1
        return insight() if pods else {**insight(), "pods": []}

    async def ask(self, token: str | None = "good", query: str = "") -> tuple[int, Object]:
        headers = {} if token is None else {names.TOKEN_HEADER: token}
        url = f"http://127.0.0.1:{self.insights.port}{names.INSIGHT_PATH}{query}"
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as got:
            return got.status, await got.json()

    @property
    def reviews(self) -> int:
        return sum((seen.method, seen.path) == REVIEWS for seen in self.server.requests)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    clock = FakeClock()
    async with FakeApiServer() as server:
        server.special[REVIEWS] = review
        who = Viewers(await server.client(), clock, namespace="podferry-system")
        insights = InsightServer(
            who,
            identity="pod-1",
            leader=lambda: made.leader,
            clock=clock,
            host="127.0.0.1",
            port=0,
        )
        made = Desk(server, insights, clock)
        insights.lead(made.explain)
        await insights.start()
        yield made
        await insights.stop()


async def test_who_has_a_viewer_s_token_reads_it(desk: Desk) -> None:
    assert await desk.ask() == (200, insight())


@pytest.mark.parametrize(
    ("token", "status", "reason"),
    [
        (None, 401, "NoToken"),
        ("made-up", 401, "BadToken"),
        ("other-audience", 401, "BadToken"),
        ("without-audience", 401, "BadToken"),
        ("other-account", 403, "NotViewer"),
    ],
)
async def test_anybody_else_is_refused_and_told_what_to_do(
    desk: Desk, token: str | None, status: int, reason: str
) -> None:
    got, body = await desk.ask(token)
    assert (got, body["reason"]) == (status, reason)
    assert "create token podferry-viewer --audience podferry.dev/insight" in body["message"]
    assert "nodes" not in body


async def test_a_token_of_absurd_length_is_not_sent_on(desk: Desk) -> None:
    who = Viewers(await desk.server.client(), desk.clock, namespace="podferry-system")
    refusal = await who.refusal("x" * (viewers.LONGEST_TOKEN + 1))
    assert refusal is not None
    assert (refusal.status, refusal.reason, desk.reviews) == (401, "BadToken", 0)


async def test_a_verdict_is_remembered_for_a_minute(desk: Desk) -> None:
    for _ in range(3):
        await desk.ask()
        await desk.ask("made-up")
    assert desk.reviews == 2
    desk.clock.advance(viewers.REMEMBERED_SECONDS)
    await desk.ask()
    assert desk.reviews == 3


async def test_a_flood_of_made_up_tokens_does_not_reach_the_api_server(desk: Desk) -> None:
    await desk.ask()
    found = [await desk.ask(f"made-up-{number}") for number in range(50)]
    assert desk.reviews == viewers.REVIEWS_PER_SECOND
    assert found[-1][0] == 429
    # Who was let in before stays in meanwhile.
    assert (await desk.ask())[0] == 200
    desk.clock.advance(1.0)
    assert (await desk.ask("made-up-last"))[0] == 401


async def test_what_could_not_be_checked_is_refused_and_asked_again(desk: Desk) -> None:
    desk.server.intercept = lambda _seen: Refused(503, "ServiceUnavailable", "away")
    status, body = await desk.ask()
    assert (status, body["reason"]) == (503, "NotChecked")
    desk.server.intercept = None
    assert (await desk.ask())[0] == 200


async def test_only_so_many_verdicts_are_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewers, "MOST_REMEMBERED", 2)
    for token in ("a", "b", "c"):
        await desk.ask(token)
    assert desk.reviews == 3
    await desk.ask("c")
    assert desk.reviews == 3
    await desk.ask("a")
    assert desk.reviews == 4


async def test_a_replica_that_does_not_lead_names_the_leader(desk: Desk) -> None:
    desk.insights.lead(None)
    desk.leader = "pod-2"
    status, body = await desk.ask()
    assert (status, body["reason"]) == (421, "NotLeading")
    assert body["message"] == "pod-1 does not lead, ask pod-2"


@pytest.mark.parametrize(("leader", "reason"), [("", "NoLeader"), ("pod-1", "Starting")])
async def test_before_the_first_look_it_says_to_ask_again(
    desk: Desk, leader: str, reason: str
) -> None:
    desk.insights.lead(None)
    desk.leader = leader
    status, body = await desk.ask()
    assert (status, body["reason"]) == (503, reason)
    assert "ask again in a second" in body["message"]


async def test_many_askers_make_the_leader_explain_once_a_second(desk: Desk) -> None:
    for _ in range(5):
        await desk.ask()
    assert desk.explained == 1
    desk.clock.advance(1.0)
    await desk.ask()
    assert desk.explained == 2


async def test_of_one_node_it_tells_the_node_its_pods_and_where_they_could_go(desk: Desk) -> None:
    _, told = await desk.ask(query="?node=node-a")
    assert [one["name"] for one in told["nodes"]] == ["node-a", "node-b", "node-c"]
    assert [one["key"] for one in told["pods"]] == ["shop/web", "shop/db"]
    assert [one["name"] for one in told["policies"][0]["nodes"]] == ["node-a"]


async def test_parts_that_are_not_wanted_are_left_out(desk: Desk) -> None:
    _, told = await desk.ask(query="?parts=nodes,policies")
    assert set(told) == {"at", "leader", "nodes", "policies"}
    _, told = await desk.ask(query="?parts=pods&node=node-b")
    assert [one["key"] for one in told["pods"]] == ["shop/cache"]
    assert set(told) == {"at", "leader", "pods"}


@pytest.mark.parametrize("query", ["?parts=secrets", "?nodes=node-a"])
async def test_nonsense_is_refused_with_what_is_known(desk: Desk, query: str) -> None:
    status, body = await desk.ask(query=query)
    assert (status, body["reason"]) == (400, "BadQuery")
    assert "known: " in body["message"]
