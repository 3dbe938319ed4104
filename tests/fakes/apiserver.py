"""A small API server in memory, on real HTTP, for tests of everything that talks to one.

    async with FakeApiServer() as server:
        client = await server.client()

What it does like the real one: resourceVersion and 409 on a stale one, `/status` apart from the
rest, merge patch, JSON patch, apply (maps merge, lists of named things merge by name, fields of
this manager that are gone are removed), list with pages and selectors, watch with bookmarks and
410 after `compact()`, uid, generation, deletionTimestamp with finalizers, delete with
preconditions, eviction and binding of pods. What it does not: validation, defaults, admission,
garbage collection, namespaces that must exist, field ownership conflicts.

A pod with a node gets only a deletionTimestamp on a graceful delete, as in reality (the kubelet
finishes it): see `pods_end_at_once` and `finish_deletion`.
"""

from __future__ import annotations

import asyncio
import copy
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from podferry.kube.client import ApiClient
from tests.fakes import patching

Object = dict[str, Any]

WITHOUT_STATUS = {
    "configmaps", "secrets", "leases", "events", "replicationcontrollers", "endpointslices",
    "mutatingwebhookconfigurations", "validatingwebhookconfigurations", "serviceaccounts",
}  # fmt: skip
CLUSTER_SCOPED = {
    "nodes", "namespaces", "runtimeclasses", "customresourcedefinitions", "persistentvolumes",
    "mutatingwebhookconfigurations", "validatingwebhookconfigurations", "rescuepolicies",
}  # fmt: skip
KINDS = {
    "pods": "Pod", "nodes": "Node", "migrations": "Migration", "leases": "Lease",
    "configmaps": "ConfigMap", "secrets": "Secret", "events": "Event", "jobs": "Job",
    "deployments": "Deployment", "replicasets": "ReplicaSet", "statefulsets": "StatefulSet",
    "namespaces": "Namespace", "services": "Service", "endpointslices": "EndpointSlice",
    "rescuepolicies": "RescuePolicy",
}  # fmt: skip

_PATH = re.compile(
    r"^/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+/[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/(?!status$|finalize$)))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+))?)?$"
)


class Refused(Exception):
    """An answer that is a Status."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message

    def status(self) -> Object:
        return {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        }  # fmt: skip


@dataclass(frozen=True)
class Target:
    """What a path addresses."""

    group_version: str
    plural: str
    namespace: str | None
    name: str | None
    sub: str | None

    @property
    def collection(self) -> tuple[str, str]:
        return (self.group_version, self.plural)

    @property
    def key(self) -> tuple[str, str]:
        return (self.namespace or "", self.name or "")

    @property
    def kind(self) -> str:
        return KINDS.get(self.plural, self.plural.removesuffix("s").capitalize())


@dataclass
class Recorded:
    """One request that arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: Any = None
    content_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class _Event:
    version: int
    type: str
    object: Object
    old: Object | None


@dataclass
class _Collection:
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    history: list[_Event] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class FakeApiServer:
    """See the module. `requests` holds what arrived; `intercept` may answer in its place."""

    def __init__(self, *, bookmark_seconds: float = 60.0, pods_end_at_once: bool = False) -> None:
        self.bookmark_seconds = bookmark_seconds
        self.pods_end_at_once = pods_end_at_once
        self.requests: list[Recorded] = []
        self.intercept: Callable[[Recorded], Refused | float | None] | None = None
        """Called for each request: a Refused is the answer, a float delays it [s]."""
        self.url = ""
        self._version = 100
        self._oldest = 0
        self._collections: dict[tuple[str, str], _Collection] = {}
        self._applied: dict[tuple[Any, ...], Object] = {}
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
        target = self._target(path)
        obj = copy.deepcopy(obj)
        obj.setdefault("kind", target.kind)
        obj.setdefault("apiVersion", target.group_version)
        return self._insert(target, obj, keep_status=True)

    def object(self, path: str) -> Object | None:
        """Return a copy of the object at this path, None if there is none."""
        target = self._target(path)
        return copy.deepcopy(self._collection(target).objects.get(target.key))

    def objects(self, path: str) -> list[Object]:
        """Return copies of all objects of a collection."""
        return self._select(self._target(path), {})

    def patch(self, path: str, body: Object) -> Object:
        """Merge patch anything, status too, as another actor (kubelet, a controller) would."""
        target = self._target(path)
        new = patching.merge(copy.deepcopy(self._get(target)), body)
        return self._store(target, new)

    def remove(self, path: str) -> None:
        """Make an object vanish, whatever its finalizers say."""
        target = self._target(path)
        self._erase(target, self._get(target))

    def finish_deletion(self, path: str) -> None:
        """Do the kubelet's part: remove a pod that has a deletionTimestamp."""
        target = self._target(path)
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
            target = self._target(request.path)
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

    def _target(self, path: str) -> Target:
        match = _PATH.match(path)
        if match is None:
            raise Refused(404, "NotFound", f"the server could not find {path}")
        parts = match.groupdict()
        return Target(
            parts["core"] or parts["group"], parts["plural"], parts["namespace"], parts["name"],
            parts["sub"],
        )  # fmt: skip

    def _collection(self, target: Target) -> _Collection:
        return self._collections.setdefault(target.collection, _Collection())

    def _get(self, target: Target) -> Object:
        obj = self._collection(target).objects.get(target.key)
        if obj is None:
            raise Refused(404, "NotFound", f'{target.plural} "{target.name}" not found')
        return obj

    # ----- list and watch

    def _select(self, target: Target, query: dict[str, str]) -> list[Object]:
        found = self._collection(target).objects
        return [
            copy.deepcopy(found[key])
            for key in sorted(found)
            if _selected(found[key], target.namespace, query)
        ]

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
                    if seen := _as_seen(event, target.namespace, query):
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

    # ----- writes

    def _record(self, target: Target, kind: str, obj: Object, old: Object | None) -> None:
        collection = self._collection(target)
        collection.history.append(
            _Event(self._version, kind, copy.deepcopy(obj), copy.deepcopy(old))
        )
        collection.changed.set()

    def _insert(self, target: Target, obj: Object, *, keep_status: bool) -> Object:
        metadata = obj.setdefault("metadata", {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + uuid.uuid4().hex[:5]
        if target.plural not in CLUSTER_SCOPED:
            metadata.setdefault("namespace", target.namespace or "default")
        target = Target(
            target.group_version, target.plural, metadata.get("namespace"), metadata["name"], None
        )
        collection = self._collection(target)
        if target.key in collection.objects:
            raise Refused(409, "AlreadyExists", f'{target.plural} "{target.name}" already exists')
        if metadata.get("resourceVersion") and not keep_status:
            raise Refused(
                400, "BadRequest", "resourceVersion should not be set on objects to be created"
            )
        if target.plural not in WITHOUT_STATUS and not keep_status:
            obj.pop("status", None)
            if target.plural == "pods":
                obj["status"] = {"phase": "Pending"}
        self._version += 1
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata.setdefault("creationTimestamp", _now())
        metadata.setdefault("generation", 1)
        metadata["resourceVersion"] = str(self._version)
        collection.objects[target.key] = obj
        self._record(target, "ADDED", obj, None)
        return copy.deepcopy(obj)

    def _post(self, target: Target, body: Object) -> tuple[int, Object]:
        if target.sub == "eviction":
            options = body.get("deleteOptions") or {}
            pod = Target(target.group_version, target.plural, target.namespace, target.name, None)
            self._delete(pod, options, {})
            return 201, {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        if target.sub == "binding":
            pod = copy.deepcopy(self._get(target))
            pod["spec"]["nodeName"] = body["target"]["name"]
            self._store(target, pod)
            return 201, {"kind": "Status", "apiVersion": "v1", "status": "Success"}
        body = copy.deepcopy(body)
        body.setdefault("kind", target.kind)
        body.setdefault("apiVersion", target.group_version)
        return 201, self._insert(target, body, keep_status=False)

    def _write(self, target: Target, body: Object, *, checked: bool) -> Object:
        """Replace an object, or its status alone, as PUT and the patches do."""
        old = self._get(target)
        claimed = body.get("metadata", {})
        version = claimed.get("resourceVersion")
        if checked and version and version != old["metadata"]["resourceVersion"]:
            raise Refused(
                409, "Conflict",
                f'Operation cannot be fulfilled on {target.plural} "{target.name}": the object '
                "has been modified; please apply your changes to the latest version and try again",
            )  # fmt: skip
        if claimed.get("uid") and claimed["uid"] != old["metadata"]["uid"]:
            raise Refused(409, "Conflict", "Precondition failed: UID in object meta")
        if target.sub == "status":
            new = {**copy.deepcopy(old), "status": copy.deepcopy(body.get("status", {}))}
        else:
            new = copy.deepcopy(body)
            if target.plural not in WITHOUT_STATUS:
                new.pop("status", None)
                if "status" in old:
                    new["status"] = copy.deepcopy(old["status"])
            self._keep_server_fields(old, new)
        return self._store(target, new)

    def _keep_server_fields(self, old: Object, new: Object) -> None:
        metadata = new.setdefault("metadata", {})
        server_owned = (
            "uid", "creationTimestamp", "generation", "deletionTimestamp", "name", "namespace",
            "deletionGracePeriodSeconds", "resourceVersion",
        )  # fmt: skip
        for name in server_owned:
            metadata.pop(name, None)
            if name in old["metadata"]:
                metadata[name] = old["metadata"][name]
        new.setdefault("kind", old.get("kind"))
        new.setdefault("apiVersion", old.get("apiVersion"))

    def _store(self, target: Target, new: Object) -> Object:
        old = self._get(target)
        if new == old:
            return copy.deepcopy(old)  # the real server writes nothing either
        metadata = new["metadata"]
        ignored = ("metadata", "status")
        spec = {k: v for k, v in new.items() if k not in ignored}
        if spec != {k: v for k, v in old.items() if k not in ignored}:
            metadata["generation"] = old["metadata"].get("generation", 1) + 1
        self._version += 1
        metadata["resourceVersion"] = str(self._version)
        ending = metadata.get("deletionTimestamp") and not metadata.get("finalizers")
        waits_for_kubelet = target.plural == "pods" and (
            metadata.get("deletionGracePeriodSeconds", 0) > 0 and new["spec"].get("nodeName")
        )
        if ending and not waits_for_kubelet:
            self._erase(target, new)
        else:
            self._collection(target).objects[target.key] = new
            self._record(target, "MODIFIED", new, old)
        return copy.deepcopy(new)

    def _erase(self, target: Target, obj: Object) -> None:
        old = self._collection(target).objects.pop(target.key)
        self._version += 1
        gone = copy.deepcopy(obj)
        gone["metadata"]["resourceVersion"] = str(self._version)
        self._record(target, "DELETED", gone, old)

    def _delete(self, target: Target, options: Object, query: dict[str, str]) -> Object:
        obj = copy.deepcopy(self._get(target))
        metadata = obj["metadata"]
        for name, wanted in (options.get("preconditions") or {}).items():
            if metadata.get(name) != wanted:
                raise Refused(
                    409, "Conflict", f"the {name} in the precondition ({wanted}) does not match"
                )
        grace = options.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
        graceful = (
            target.plural == "pods"
            and not self.pods_end_at_once
            and bool(obj["spec"].get("nodeName"))
            and obj.get("status", {}).get("phase") not in ("Succeeded", "Failed")
        )
        seconds = 30 if grace is None else int(grace)
        if not graceful:
            seconds = 0
        if metadata.get("finalizers") or seconds > 0:
            metadata.setdefault("deletionTimestamp", _now())
            metadata["deletionGracePeriodSeconds"] = seconds
            return self._store(target, obj)
        self._erase(target, obj)
        return obj

    def _patch(self, target: Target, seen: Recorded) -> tuple[int, Object]:
        kind = seen.content_type
        if kind == "application/apply-patch+yaml":
            return self._apply(target, seen.body, seen.query.get("fieldManager") or "")
        old = self._get(target)
        if kind in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
            body = patching.merge(copy.deepcopy(old), seen.body)
        elif kind == "application/json-patch+json":
            try:
                body = patching.json_patch(old, seen.body)
            except patching.PatchFailed as error:
                raise Refused(422, "Invalid", str(error)) from None
        else:
            raise Refused(415, "UnsupportedMediaType", f"{kind} is not supported")
        return 200, self._write(target, body, checked=True)

    def _apply(self, target: Target, body: Object, manager: str) -> tuple[int, Object]:
        if not manager:
            raise Refused(400, "BadRequest", "fieldManager is required for apply patch")
        memory = (target.collection, target.key, target.sub, manager)
        if target.key not in self._collection(target).objects:
            if target.sub:
                self._get(target)
            body = copy.deepcopy(body)
            body.setdefault("metadata", {}).setdefault("name", target.name)
            self._applied[memory] = copy.deepcopy(body)
            return 201, self._insert(target, body, keep_status=False)
        old = self._get(target)
        before = self._applied.get(memory, {})
        new = patching.apply(copy.deepcopy(old), body, before)
        answer = self._write(target, new, checked=True)
        self._applied[memory] = copy.deepcopy(body)
        return 200, answer


async def _changed(collection: _Collection) -> None:
    await collection.changed.wait()


def _as_seen(
    event: _Event, namespace: str | None, query: dict[str, str]
) -> tuple[str, Object] | None:
    """Return the event as a watch with this selector sees it, None if it does not."""
    now = event.type != "DELETED" and _selected(event.object, namespace, query)
    before = event.old is not None and _selected(event.old, namespace, query)
    if now:
        return ("MODIFIED" if before else "ADDED", event.object)
    return ("DELETED", event.object) if before else None


def _selected(obj: Object, namespace: str | None, query: dict[str, str]) -> bool:
    metadata = obj["metadata"]
    if namespace is not None and metadata.get("namespace") != namespace:
        return False
    labels = metadata.get("labels") or {}
    for term in filter(None, re.split(r",(?![^(]*\))", query.get("labelSelector") or "")):
        if not _label_matches(labels, term.strip()):
            return False
    for term in filter(None, (query.get("fieldSelector") or "").split(",")):
        path, equals, value = re.split(r"(!=|==|=)", term, maxsplit=1)
        found: Any = obj
        for part in path.split("."):
            found = (found or {}).get(part)
        if (str(found or "") == value) == (equals == "!="):
            return False
    return True


def _label_matches(labels: dict[str, str], term: str) -> bool:
    if match := re.match(r"^(\S+)\s+(in|notin)\s+\((.*)\)$", term):
        values = [value.strip() for value in match[3].split(",")]
        return (labels.get(match[1]) in values) == (match[2] == "in")
    if "=" in term:
        name, equals, value = re.split(r"(!=|==|=)", term, maxsplit=1)
        return (labels.get(name) == value) == (equals != "!=")
    return term[1:] not in labels if term.startswith("!") else term in labels


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
