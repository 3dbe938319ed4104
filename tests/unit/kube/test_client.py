"""The client against the fake server: what is sent, and how errors read."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path
from typing import Any

import pytest

from podferry.kube import errors, paths
from podferry.kube.client import ApiClient, describe
from tests.fakes.apiserver import FakeApiServer, Recorded, Refused
from tests.fakes.certificates import write_pair

POD = {"metadata": {"name": "a"}, "spec": {"nodeName": "n1"}}


async def test_a_long_list_is_read_in_pages_and_every_item_has_its_kind() -> None:
    async with FakeApiServer() as server:
        for number in range(7):
            server.seed(paths.pods("ns"), {"metadata": {"name": f"p{number}"}, "spec": {}})
        client = await server.client()
        found = await client.list(paths.pods("ns"), page_size=3)
        assert [item["metadata"]["name"] for item in found["items"]] == [f"p{n}" for n in range(7)]
        assert {item["kind"] for item in found["items"]} == {"Pod"}
        assert [request.query.get("limit") for request in server.requests] == ["3", "3", "3"]


async def test_a_page_token_that_expired_is_answered_by_one_list_without_pages() -> None:
    async with FakeApiServer() as server:
        for number in range(4):
            server.seed(paths.pods("ns"), {"metadata": {"name": f"p{number}"}, "spec": {}})

        def expire(seen: Recorded) -> Refused | None:
            return Refused(410, "Expired", "too old") if "continue" in seen.query else None

        server.intercept = expire
        found = await (await server.client()).list(paths.pods("ns"), page_size=2)
        assert len(found["items"]) == 4


async def test_a_stale_version_is_a_conflict_that_says_what_to_do() -> None:
    async with FakeApiServer() as server:
        client = await server.client()
        old = await client.create(paths.pods("ns"), POD)
        await client.merge_patch(paths.pods("ns", "a"), {"metadata": {"labels": {"x": "y"}}})
        with pytest.raises(errors.Conflict, match=r"update pods ns/a: .*read the object again"):
            await client.update(paths.pods("ns", "a"), old)


@pytest.mark.parametrize(
    ("code", "reason", "kind", "unknown"),
    [
        (404, "NotFound", errors.NotFound, False),
        (409, "Conflict", errors.Conflict, False),
        (409, "AlreadyExists", errors.AlreadyExists, False),
        (403, "Forbidden", errors.Forbidden, False),
        (401, "Unauthorized", errors.Forbidden, False),
        (422, "Invalid", errors.Invalid, False),
        (410, "Gone", errors.Gone, False),
        (429, "TooManyRequests", errors.Unavailable, False),
        (503, "ServiceUnavailable", errors.Unavailable, True),
        (500, "InternalError", errors.ServerFailed, True),
        (504, "Timeout", errors.ServerFailed, True),
    ],
)
async def test_each_refusal_has_a_class_and_says_whether_it_may_have_happened(
    code: int, reason: str, kind: type[errors.ApiError], unknown: bool
) -> None:
    async with FakeApiServer() as server:
        server.intercept = lambda _request: Refused(code, reason, "because")
        with pytest.raises(errors.ApiError, match="because") as caught:
            await (await server.client()).delete(paths.pods("ns", "a"))
        assert type(caught.value) is kind
        assert caught.value.status == code
        assert caught.value.outcome_unknown is unknown
        if isinstance(caught.value, errors.Unavailable):
            assert caught.value.retry_after == 1.0


async def test_a_write_without_an_answer_has_an_unknown_outcome() -> None:
    async with FakeApiServer() as server:
        client = await server.client()
        server.intercept = lambda _request: 5.0
        with pytest.raises(errors.Timeout, match="outcome is unknown") as caught:
            await client.raw("POST", paths.pods("ns"), body=POD, timeout_seconds=0.1)
        assert caught.value.outcome_unknown


async def test_a_refused_connection_is_known_not_to_have_happened() -> None:
    async with FakeApiServer() as server:
        url = server.url
    client = ApiClient.for_url(url)
    with pytest.raises(errors.ConnectionFailed, match="nothing was sent") as caught:
        await client.create(paths.pods("ns"), POD)
    assert not caught.value.outcome_unknown
    await client.close()


async def test_each_kind_of_patch_says_its_content_type() -> None:
    async with FakeApiServer() as server:
        client = await server.client()
        await client.create(paths.pods("ns"), POD)
        path = paths.pods("ns", "a")
        await client.merge_patch(path, {"metadata": {"labels": {"x": "1"}}})
        operation = {"op": "replace", "path": "/metadata/labels/x", "value": "2"}
        await client.json_patch(path, [operation])
        await client.apply(path, {"metadata": {"labels": {"z": "3"}}}, field_manager="podferry")
        kinds = [seen.content_type for seen in server.requests if seen.method == "PATCH"]
        assert kinds == [
            "application/merge-patch+json",
            "application/json-patch+json",
            "application/apply-patch+yaml",
        ]
        labels = (server.object(path) or {})["metadata"]["labels"]
        assert labels == {"x": "2", "z": "3"}
        assert server.requests[-1].query == {"fieldManager": "podferry", "force": "true"}


async def test_a_failed_test_of_a_json_patch_changes_nothing() -> None:
    async with FakeApiServer() as server:
        client = await server.client()
        before = await client.create(paths.pods("ns"), POD)
        operations: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/uid", "value": "another"},
            {"op": "add", "path": "/metadata/labels", "value": {"x": "1"}},
        ]
        with pytest.raises(errors.Invalid):
            await client.json_patch(paths.pods("ns", "a"), operations)
        assert server.object(paths.pods("ns", "a")) == before


async def test_without_any_configuration_the_error_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(errors.ConnectionFailed, match="Set KUBECONFIG"):
        await ApiClient.connect()


async def test_a_kubeconfig_gives_the_server_the_token_and_the_namespace(
    tmp_path: Path,
) -> None:
    async with FakeApiServer() as server:
        config = f"{tmp_path}/config"
        with open(config, "w") as file:
            file.write(
                "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                f"clusters: [{{name: k, cluster: {{server: '{server.url}'}}}}]\n"
                "users: [{name: u, user: {token: abc}}]\n"
                "contexts: [{name: c, context: {cluster: k, user: u, namespace: mine}}]\n"
            )
        async with await ApiClient.connect(kubeconfig=config) as client:
            assert client.default_namespace == "mine"
            await client.list(paths.pods("mine"))
        assert server.requests[0].headers["Authorization"] == "Bearer abc"


async def test_in_a_pod_the_token_is_read_again_when_it_is_a_minute_old(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token, authority, namespace = tmp_path / "token", tmp_path / "ca.crt", tmp_path / "namespace"
    token.write_text("first")
    write_pair(tmp_path, "ca")[0].rename(authority)
    namespace.write_text("podferry-system")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    loader = "kubernetes.aio.config.incluster_config"
    monkeypatch.setattr(f"{loader}.SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(f"{loader}.SERVICE_CERT_FILENAME", str(authority))
    monkeypatch.setattr("podferry.kube.client._NAMESPACE_FILE", namespace)
    client = await ApiClient.connect()
    assert client.server == "https://127.0.0.1:1"
    assert client.default_namespace == "podferry-system"
    assert await client.authorization() == "bearer first"
    token.write_text("second")
    assert await client.authorization() == "bearer first"

    class Later(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return datetime.datetime(2100, 1, 1, tzinfo=tz)

    monkeypatch.setattr(f"{loader}.datetime.datetime", Later)
    assert await client.authorization() == "bearer second"
    await client.close()


async def test_a_watch_that_is_left_closes_its_connection() -> None:
    async with FakeApiServer() as server:
        client = await server.client()
        events = client.watch(paths.pods("ns"), resource_version="0")
        first = asyncio.ensure_future(anext(events))
        server.seed(paths.pods("ns"), POD)
        assert (await asyncio.wait_for(first, 2))["type"] == "ADDED"
        await events.aclose()
        assert (await client.list(paths.pods("ns")))["items"]


@pytest.mark.parametrize(
    ("method", "path", "words"),
    [
        ("PATCH", paths.migrations("ns", "m", "status"), "patch migrations ns/m (status)"),
        ("GET", paths.pods(None), "list pods"),
        ("GET", paths.nodes("n1"), "get nodes n1"),
        ("DELETE", paths.namespaces("x"), "delete namespaces x"),
        ("WATCH", paths.leases("ns"), "watch leases ns"),
    ],
)
def test_a_request_reads_as_words(method: str, path: str, words: str) -> None:
    assert describe(method, path) == words


def test_a_create_reads_with_the_name_of_its_object() -> None:
    assert describe("POST", paths.pods("ns"), None, POD) == "create pods ns/a"


def test_a_path_with_an_empty_name_is_refused() -> None:
    with pytest.raises(ValueError, match="would address all"):
        paths.pods("ns", "")


async def test_of_a_long_text_the_end_is_kept_and_its_length_is_told() -> None:
    async with FakeApiServer() as server:
        server.seed(paths.pods("ns"), POD)
        server.logs = {("ns", "a", "app", False): '{"a": 1}\n' * 100_000}
        client = await server.client()
        path, params = paths.pods("ns", "a", "log"), {"container": "app"}
        assert await client.tail(path, keep_bytes=9, params=params) == (b'{"a": 1}\n', 900_000)
        whole, total = await client.tail(path, keep_bytes=10**6, params=params)
        assert len(whole) == total == 900_000


async def test_a_text_that_is_refused_or_does_not_come_is_an_error_as_any() -> None:
    async with FakeApiServer() as server:
        server.seed(paths.pods("ns"), POD)
        client = await server.client()
        path = paths.pods("ns", "a", "log")
        with pytest.raises(errors.Invalid, match=r"get pods ns/a \(log\): .*waiting to start"):
            await client.tail(path, keep_bytes=9)
        server.intercept = lambda _seen: 2.0
        with pytest.raises(errors.Timeout):
            await client.tail(path, keep_bytes=9, timeout_seconds=0.1)
