"""A small API server in memory, on real HTTP, for tests of everything that talks to one.

    async with FakeApiServer() as server:
        client = await server.client()

What it does like the real one: resourceVersion and 409 on a stale one, `/status` apart from the
rest, merge patch, JSON patch, apply (maps merge, lists of named things merge by name, fields of
this manager that are gone are removed), list with pages and selectors, watch with bookmarks and
410 after `compact()`, uid, generation, deletionTimestamp with finalizers, delete with
preconditions, eviction, binding and logs of pods. What it does not: validation, defaults,
admission, garbage collection, namespaces that must exist, field ownership conflicts.

A pod with a node gets only a deletionTimestamp on a graceful delete, as in reality (the kubelet
finishes it): see `pods_end_at_once` and `finish_deletion`.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable

from aiohttp import web

from podferry.kube.client import ApiClient
from tests.fakes import patching
from tests.fakes.model import (
    Collection,
    Object,
    Recorded,
    Refused,
    Target,
    target_of,
)
from tests.fakes.objects import Objects
from tests.fakes.selectors import as_seen

__all__ = ["FakeApiServer", "Recorded", "Refused"]


class FakeApiServer(Objects):
    """See the module. `requests` holds what arrived; `intercept` may answer in its place."""

    def __init__(self, *, bookmark_seconds: float = 60.0, pods_end_at_once: bool = False) -> None:
        self.bookmark_seconds = bookmark_seconds
        super().__init__(pods_end_at_once=pods_end_at_once)
        self.requests: list[Recorded] = []
        self.intercept: Callable[[Recorded], Refused | float | None] | None = None
        """Called for each request: a Refused is the answer, a float delays it [s]."""
        self.special: dict[tuple[str, str], Callable[[Recorded], tuple[int, Object]]] = {}
        """By method and path: what answers there instead, such as a proxied pod."""
        self.logs: dict[tuple[str, str, str, bool], str] = {}
        """By namespace, pod, container, and whether it is the one before."""
        self.url = ""
        self._clients: list[ApiClient] = []
        self._runner: web.AppRunner | None = None
        self._closing = asyncio.Event()

    # ----- life

    async def __aenter__(self) -> FakeApiServer:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._closing.set()
        for collection in self._collections.values():
            collection.changed.set()
        for client in self._clients:
            await client.close()
        assert self._runner is not None
        await self._runner.cleanup()

    async def client(self) -> ApiClient:
        """Return a client, closed together with the server."""
        client = ApiClient.for_url(self.url)
        self._clients.append(client)
        return client

    # ----- for tests: no HTTP

    def seed(self, path: str, obj: Object) -> Object:
        """Put an object (with its status) there as it is; `path` is of its collection."""
        target = target_of(path)
        obj = copy.deepcopy(obj)
        obj.setdefault("kind", target.kind)
        obj.setdefault("apiVersion", target.group_version)
        return self._insert(target, obj, keep_status=True)

    def object(self, path: str) -> Object | None:
        """Return a copy of the object at this path, None if there is none."""
        target = target_of(path)
        return copy.deepcopy(self._collection(target).objects.get(target.key))

    def objects(self, path: str) -> list[Object]:
        """Return copies of all objects of a collection."""
        return self._select(target_of(path), {})

    def patch(self, path: str, body: Object) -> Object:
        """Merge patch anything, status too, as another actor (kubelet, a controller) would."""
        target = target_of(path)
        new = patching.merge(copy.deepcopy(self._get(target)), body)
        return self._store(target, new)

    def remove(self, path: str) -> None:
        """Make an object vanish, whatever its finalizers say."""
        target = target_of(path)
        self._erase(target, self._get(target))

    def finish_deletion(self, path: str) -> None:
        """Do the kubelet's part: remove a pod that has a deletionTimestamp."""
        target = target_of(path)
        obj = self._get(target)
        assert obj["metadata"].get("deletionTimestamp"), f"{path} is not being deleted"
        if not obj["metadata"].get("finalizers"):
            self._erase(target, obj)

    def compact(self) -> None:
        """Forget history: watches from older versions get 410."""
        self._oldest = self._version
        for collection in self._collections.values():
            collection.history.clear()

    # ----- HTTP

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        data = await request.read()
        seen = Recorded(
            request.method, request.path, dict(request.query),
            json.loads(data) if data else None, request.content_type,
            dict(request.headers),
        )  # fmt: skip
        self.requests.append(seen)
        try:
            told = self.intercept(seen) if self.intercept else None
            if isinstance(told, Refused):
                raise told
            if told:
                await asyncio.sleep(told)
            if request.path == "/version":
                return web.json_response({"gitVersion": "v0.0.0-fake"})
            if special := self.special.get((request.method, request.path)):
                code, answer = special(seen)
                return web.json_response(answer, status=code)
            target = target_of(request.path)
            if request.method == "GET" and target.sub == "log":
                return web.Response(text=self._log(target, seen.query))
            if request.method == "GET" and request.query.get("watch") in ("true", "1"):
                try:
                    return await self._watch(request, target)
                except ConnectionResetError:
                    return web.Response()  # the watcher went away
            code, answer = self._answer(seen, target)
        except Refused as error:
            headers = {"Retry-After": "1"} if error.code in (429, 503) else None
            return web.json_response(error.status(), status=error.code, headers=headers)
        return web.json_response(answer, status=code)

    def _answer(self, seen: Recorded, target: Target) -> tuple[int, Object]:
        if seen.method == "GET":
            return 200, self._get(target) if target.name else self._list(target, seen.query)
        if seen.method == "POST":
            return self._post(target, seen.body)
        if seen.method == "PUT":
            return 200, self._write(target, seen.body, checked=True)
        if seen.method == "DELETE":
            return 200, self._delete(target, seen.body or {}, seen.query)
        if seen.method == "PATCH":
            return self._patch(target, seen)
        raise Refused(405, "MethodNotAllowed", f"{seen.method} is not supported")

    def _log(self, target: Target, query: dict[str, str]) -> str:
        container, previous = query.get("container", ""), query.get("previous") == "true"
        self._get(target)
        key = (str(target.namespace), str(target.name), container, previous)
        if key not in self.logs:
            raise Refused(400, "BadRequest", f'container "{container}" is waiting to start')
        lines = self.logs[key].splitlines(keepends=True)
        return "".join(lines[-int(query.get("tailLines") or len(lines) or 1) :])

    # ----- list and watch

    def _list(self, target: Target, query: dict[str, str]) -> Object:
        items = self._select(target, query)
        metadata: Object = {"resourceVersion": str(self._version)}
        start = 0
        if token := query.get("continue"):
            version, start = (int(part) for part in token.split(":"))
            if version < self._oldest:
                raise Refused(410, "Expired", "the provided continue parameter is too old")
            metadata["resourceVersion"] = str(version)
        if limit := int(query.get("limit") or 0):
            if start + limit < len(items):
                metadata["continue"] = f"{metadata['resourceVersion']}:{start + limit}"
                metadata["remainingItemCount"] = len(items) - start - limit
            items = items[start : start + limit]
        for item in items:
            item.pop("kind", None)
            item.pop("apiVersion", None)
        return {
            "kind": f"{target.kind}List", "apiVersion": target.group_version,
            "metadata": metadata, "items": items,
        }  # fmt: skip

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        query = dict(request.query)
        version = int(query.get("resourceVersion") or 0)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)

        async def send(kind: str, obj: Object) -> None:
            await response.write(json.dumps({"type": kind, "object": obj}).encode() + b"\n")

        collection = self._collection(target)
        loop = asyncio.get_running_loop()
        end = loop.time() + float(query.get("timeoutSeconds") or 1800)
        while not self._closing.is_set() and loop.time() < end:
            if version < self._oldest:
                await send("ERROR", Refused(410, "Expired", "too old resource version").status())
                break
            collection.changed.clear()
            for event in list(collection.history):
                if event.version > version:
                    version = event.version
                    if seen := as_seen(event, target.namespace, query):
                        await send(*seen)
            try:
                wait = min(self.bookmark_seconds, end - loop.time())
                await asyncio.wait_for(_changed(collection), wait)
            except TimeoutError:
                if query.get("allowWatchBookmarks") == "true":
                    version = max(version, self._version)
                    metadata = {"resourceVersion": str(version)}
                    mark = {"kind": target.kind, "apiVersion": target.group_version}
                    await send("BOOKMARK", {**mark, "metadata": metadata})
        await response.write_eof()
        return response


async def _changed(collection: Collection) -> None:
    await collection.changed.wait()
