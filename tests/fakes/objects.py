"""The objects of the fake API server: versions, writes, deletions; no HTTP."""

from __future__ import annotations

import copy
import uuid
from datetime import UTC, datetime

from tests.fakes import patching
from tests.fakes.model import (
    CLUSTER_SCOPED,
    WITHOUT_STATUS,
    Collection,
    Event,
    Object,
    Recorded,
    Refused,
    Target,
)
from tests.fakes.selectors import selected


class Objects:
    """Every collection, and the rules of writing to it."""

    def __init__(self, *, pods_end_at_once: bool) -> None:
        self.pods_end_at_once = pods_end_at_once
        self._version = 100
        self._oldest = 0
        self._collections: dict[tuple[str, str], Collection] = {}
        self._applied: dict[tuple[object, ...], Object] = {}

    def _collection(self, target: Target) -> Collection:
        return self._collections.setdefault(target.collection, Collection())

    def _get(self, target: Target) -> Object:
        obj = self._collection(target).objects.get(target.key)
        if obj is None:
            raise Refused(404, "NotFound", f'{target.plural} "{target.name}" not found')
        return obj

    def _select(self, target: Target, query: dict[str, str]) -> list[Object]:
        found = self._collection(target).objects
        return [
            copy.deepcopy(found[key])
            for key in sorted(found)
            if selected(found[key], target.namespace, query)
        ]

    def _record(self, target: Target, kind: str, obj: Object, old: Object | None) -> None:
        collection = self._collection(target)
        collection.history.append(
            Event(self._version, kind, copy.deepcopy(obj), copy.deepcopy(old))
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
            placed = copy.deepcopy(self._get(target))
            placed["spec"]["nodeName"] = body["target"]["name"]
            self._store(target, placed)
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


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
