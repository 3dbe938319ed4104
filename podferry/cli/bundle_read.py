"""Reads a cluster for a support bundle, with the rights of the one who asks.

Owns what is asked for and in which order. A part that cannot be read is listed and the rest goes
on; nothing is ever written to the cluster.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from podferry import __version__
from podferry.api.clock import Clock
from podferry.cli import bundle_logs, bundle_redact, node_facts
from podferry.cli.bundle_contents import Contents, name_of
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.wire.names import NODE_FACTS, SYSTEM_NAMESPACE

Object = dict[str, Any]
T = TypeVar("T")
TOTAL_SECONDS = 120.0
"""After this nothing more is asked for [s]."""
COMPONENT = "app.kubernetes.io/name"
PARTS = ("podferry-controller", "podferry-agent")
"""What our own pods are labelled with; the order in which their logs are read."""


async def collect(client: ApiClient, namespace: str, migration: str, clock: Clock) -> Contents:
    """Return everything that could be read about the Migrations of a namespace, or about one.

    Raises:
        ConnectionFailed: the API server answered nothing at all.
    """
    stamp = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    reader = _Reader(client, Contents(namespace, migration, stamp), clock)
    await reader.read()
    return reader.contents


class _Reader:
    """One collection; `answered`: the API server said something, if only no."""

    def __init__(self, client: ApiClient, contents: Contents, clock: Clock) -> None:
        self.contents = contents
        self._client = client
        self._clock = clock
        self._end = clock.monotonic() + TOTAL_SECONDS
        self._answered = False
        self._silence: errors.ConnectionFailed | None = None

    async def ask(self, part: str, job: Callable[[], Awaitable[T]]) -> T | None:
        """Return what `job` read, or None and list the part as missing, with why."""
        if self._clock.monotonic() > self._end:
            self.contents.missing[part] = f"not asked for: the {TOTAL_SECONDS:g} s were over"
            return None
        try:
            found = await job()
        except errors.ConnectionFailed as error:
            if not self._answered and not error.outcome_unknown:
                raise  # No connection at all: nothing else will be answered.
            self._silence = error
            self.contents.missing[part] = error.message
            return None
        except errors.ApiError as error:
            self._answered = True
            self.contents.missing[part] = error.message
            return None
        self._answered = True
        return found

    async def read(self) -> None:
        version = await self.ask("versions: API server", lambda: self._client.get("/version"))
        moves = await self._migrations()
        pods = await self._pods(moves)
        ours = await self._own_pods()
        self._versions(version or {}, ours)
        await self._node_facts()
        homes = {str((pod.get("spec") or {}).get("nodeName")) for pod in pods} | _ends(
            moves, "node"
        )
        await self._nodes(homes)
        await self._events("system/events.json", SYSTEM_NAMESPACE, lambda _event: True)
        for pod in sorted(ours, key=lambda pod: _first(pod, homes)):
            for log in bundle_logs.logs_of(pod):
                await bundle_logs.read(self._client, self.contents, log, self.ask)
        if self._silence and not self._answered:
            raise self._silence

    async def _list(self, part: str, path: str, selector: str | None = None) -> list[Object]:
        params = {"labelSelector": selector} if selector else None
        found = await self.ask(part, lambda: self._client.list(path, params=params))
        return sorted((found or {}).get("items") or [], key=name_of)

    async def _migrations(self) -> list[Object]:
        """The Migrations that are meant, raw; files of them and of their events."""
        namespace, name = self.contents.namespace, self.contents.migration
        if name:
            path = paths.migrations(namespace, name)
            found = await self.ask(f"migrations/{name}", lambda: self._client.get(path))
            moves = [found] if found else []
        else:
            moves = await self._list("migrations", paths.migrations(namespace))
        kept = map(bundle_redact.migration, reversed(sorted(moves, key=_created)))
        self.contents.add_objects("migrations", "migrations", kept)

        def about(event: Object) -> bool:
            regarding = event.get("regarding") or {}
            # By name: the events of a Migration outlive it.
            return regarding.get("kind") == "Migration" and name in ("", regarding.get("name"))

        await self._events("migrations-events.json", namespace, about)
        return moves

    async def _events(self, file: str, namespace: str, wanted: Callable[[Object], bool]) -> None:
        found = await self._list(file, paths.events(namespace))
        if file in self.contents.missing:
            return
        kept = [bundle_redact.event(one) for one in found if wanted(one)]
        if self.contents.add_json(file, kept):
            self.contents.counts["events"] = self.contents.counts.get("events", 0) + len(kept)

    async def _pods(self, moves: list[Object]) -> list[Object]:
        """The pods that the Migrations are about, raw; files of them."""
        found = await self._list("pods", paths.pods(self.contents.namespace))
        named = _ends(moves, "pod") | {
            str(ref.get("name"))
            for move in moves
            if (ref := (move.get("spec") or {}).get("workloadRef") or {}).get("kind") == "Pod"
        }
        pods = [pod for pod in found if name_of(pod) in named or _of(pod, moves)]
        self.contents.add_objects("pods", "pods", map(bundle_redact.pod, pods))
        if "pods" not in self.contents.missing:
            self.contents.gone = sorted(named - {name_of(pod) for pod in pods})
        return pods

    async def _own_pods(self) -> list[Object]:
        """Pods of controller and agents, raw; files of them."""
        selector = f"{COMPONENT} in ({','.join(PARTS)})"
        found = await self._list("system/pods", paths.pods(SYSTEM_NAMESPACE), selector)
        kept = [bundle_redact.pod(pod, ours=True) for pod in found]
        self.contents.add_objects("system/pods", "pods of podferry", kept)
        if not found and "system/pods" not in self.contents.missing:
            self.contents.missing["system/pods"] = (
                f"there is no pod of controller or agent in {SYSTEM_NAMESPACE}: podferry install"
            )
        return found

    def _versions(self, server: Object, ours: list[Object]) -> None:
        images: dict[str, list[str]] = {}
        for pod in ours:
            status = pod.get("status") or {}
            for one in status.get("containerStatuses") or []:
                words = f"{_part(pod)}: {one.get('image')} {one.get('imageID')}"
                images.setdefault(words, []).append(name_of(pod))
        answer = {"podferry": __version__, "server": server, "images": images}
        self.contents.add_json("versions.json", answer)

    async def _node_facts(self) -> None:
        path = paths.configmaps(SYSTEM_NAMESPACE, NODE_FACTS)
        if (found := await self.ask("node-facts.json", lambda: self._client.get(path))) is None:
            return
        self.contents.add_json("node-facts.json", node_facts.parsed(found.get("data") or {}))

    async def _nodes(self, homes: set[str]) -> None:
        """Files of all nodes, those of the Migrations first."""
        found = await self._list("nodes", paths.nodes())
        found.sort(key=lambda node: name_of(node) not in homes)
        self.contents.add_objects("nodes", "nodes", map(bundle_redact.node, found))


def _created(raw: Object) -> str:
    return str((raw.get("metadata") or {}).get("creationTimestamp") or "")


def _ends(moves: list[Object], field: str) -> set[str]:
    """Names of the pods or nodes at both ends of the Migrations."""
    ends = [
        (move.get("status") or {}).get(end) or {} for move in moves for end in ("source", "target")
    ]
    return {str(end[field]) for end in ends if end.get(field)}


def _of(pod: Object, moves: list[Object]) -> bool:
    """Whether an annotation of ours or a common owner ties a pod to one of the Migrations."""
    metadata = pod.get("metadata") or {}
    uids = {str(move["metadata"].get("uid")) for move in moves}
    marks = [v for k, v in (metadata.get("annotations") or {}).items() if bundle_redact.is_ours(k)]
    if any(str(mark).partition(".")[0] in uids for mark in marks):
        return True
    owners = {((move.get("status") or {}).get("owner") or {}).get("uid") for move in moves} - {None}
    return any(one.get("uid") in owners for one in metadata.get("ownerReferences") or [])


def _part(pod: Object) -> str:
    return str(((pod.get("metadata") or {}).get("labels") or {}).get(COMPONENT) or "")


def _first(pod: Object, homes: set[str]) -> tuple[bool, bool, str]:
    """Order of the logs: controllers, then agents of the nodes that matter, then the others."""
    away = (pod.get("spec") or {}).get("nodeName") not in homes
    return (_part(pod) != PARTS[0], away, name_of(pod))
