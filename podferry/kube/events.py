"""Events about objects, for people who run `kubectl describe`.

Owns deduplication and size limits. An event is never worth an error: what cannot be written is
counted in `dropped` and logged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import structlog

from podferry.api.clock import Clock
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.kube.lease import rfc3339_micro

DEDUPE_SECONDS = 900.0
"""The same event about the same object is written once in this time [s]."""
NOTE_BYTES = 1024
"""What the API server accepts as a note [bytes]."""
MAX_REMEMBERED = 10_000

_log = structlog.get_logger(__name__)


class EventRecorder:
    """Writes events (events.k8s.io/v1) in the name of `component`."""

    def __init__(
        self, client: ApiClient, component: str, clock: Clock, *, instance: str = ""
    ) -> None:
        self._client = client
        self._component = component
        self._instance = (instance or component)[:128]
        self._clock = clock
        self._recent: dict[tuple[str, str, str], float] = {}
        self._count = 0
        self.dropped = 0
        """Events that the API server did not take."""
        self.deduplicated = 0
        """Events not written because the same one was written less than 15 min ago."""

    async def event(
        self, regarding: Mapping[str, Any], *, type_: str, reason: str, note: str, action: str
    ) -> None:
        """Write one event; never raises.

        Args:
            regarding: the object, or an object reference to it.
            type_: `Normal` for progress, `Warning` only when a human should act.
            reason: a Reason value (CamelCase).
            note: what, where, how much, what next; cut at 1024 bytes.
            action: what was done or tried (CamelCase).
        """
        reference = reference_to(regarding)
        if self._seen(reference, reason, note):
            self.deduplicated += 1
            return
        body = self._body(reference, type_=type_, reason=reason, note=note, action=action)
        namespace = body["metadata"]["namespace"]
        try:
            await self._client.create(paths.events(namespace), body)
        except errors.ApiError as error:
            self.dropped += 1
            self._recent.pop(self._key(reference, reason, note), None)
            _log.warning("event dropped", reason=reason, why=error.message, dropped=self.dropped)

    def _key(self, reference: Mapping[str, Any], reason: str, note: str) -> tuple[str, str, str]:
        who = str(reference.get("uid") or reference.get("name"))
        digest = hashlib.blake2s(note.encode(), digest_size=8).hexdigest()
        return (who, reason, digest)

    def _seen(self, reference: Mapping[str, Any], reason: str, note: str) -> bool:
        now = self._clock.monotonic()
        key = self._key(reference, reason, note)
        written = self._recent.get(key)
        if written is not None and now - written < DEDUPE_SECONDS:
            return True
        self._recent.pop(key, None)
        self._recent[key] = now
        # Oldest first, so old ones are at the front; the bound holds even in a storm.
        for old, when in list(self._recent.items()):
            if now - when < DEDUPE_SECONDS and len(self._recent) <= MAX_REMEMBERED:
                break
            del self._recent[old]
        return False

    def _body(
        self, reference: dict[str, Any], *, type_: str, reason: str, note: str, action: str
    ) -> dict[str, Any]:
        now = self._clock.now()
        self._count += 1
        unique = f"{int(now.timestamp() * 1e6):x}{self._count:x}"
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": f"{str(reference.get('name'))[:200]}.{unique}",
                "namespace": reference.get("namespace") or "default",
            },
            "eventTime": rfc3339_micro(now),
            "reportingController": f"podferry.dev/{self._component}",
            "reportingInstance": self._instance,
            "type": type_,
            "reason": reason[:128],
            "action": action[:128],
            "note": cut(note, NOTE_BYTES),
            "regarding": reference,
        }


def reference_to(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object reference to a raw object; a reference is returned as it is."""
    metadata = obj.get("metadata")
    if metadata is None:
        return dict(obj)
    reference = {
        "apiVersion": obj.get("apiVersion"),
        "kind": obj.get("kind"),
        "namespace": metadata.get("namespace"),
        "name": metadata.get("name"),
        "uid": metadata.get("uid"),
        "resourceVersion": metadata.get("resourceVersion"),
    }
    return {name: value for name, value in reference.items() if value}


def cut(text: str, limit: int) -> str:
    """Return `text` in at most `limit` bytes of UTF-8, whole characters, `…` where cut."""
    data = text.encode()
    if len(data) <= limit:
        return text
    end = "…"
    return data[: limit - len(end.encode())].decode(errors="ignore") + end
