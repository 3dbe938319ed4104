"""What the fake API server keeps and what a path means to it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

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

PATH = re.compile(
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
class Event:
    version: int
    type: str
    object: Object
    old: Object | None


@dataclass
class Collection:
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    history: list[Event] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


def target_of(path: str) -> Target:
    """Return what a path addresses; raises Refused (404)."""
    match = PATH.match(path)
    if match is None:
        raise Refused(404, "NotFound", f"the server could not find {path}")
    parts = match.groupdict()
    group_version = parts["core"] or parts["group"]
    return Target(group_version, parts["plural"], parts["namespace"], parts["name"], parts["sub"])
