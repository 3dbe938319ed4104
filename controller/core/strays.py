"""Pods that were taken from their owner for a Migration that exists no more. Pure.

Owns the way back for a Migration object that was removed by force, past its finalizer. Never
touches a pod whose Migration exists, ended or not.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any

from podferry.controller.core.actions import ReattachSource
from podferry.wire import names

RawPod = dict[str, Any]


def find(pods: Iterable[RawPod], migrations: Collection[str]) -> tuple[ReattachSource, ...]:
    """What gives each stray pod back to its owner; `migrations`: uids of those that exist."""
    found = []
    for pod in pods:
        metadata = pod["metadata"]
        notes = metadata.get("annotations") or {}
        uid = notes.get(names.ANNOTATION_MIGRATION)
        labels = _detached(notes)
        if not labels or not uid or uid in migrations or metadata.get("deletionTimestamp"):
            continue
        if notes.get(names.ANNOTATION_RESTORE, "").startswith(f"{uid}."):
            continue  # the target of that Migration; only its source is given back
        found.append(
            ReattachSource(metadata["namespace"], metadata["name"], metadata["uid"], labels)
        )
    return tuple(found)


def _detached(notes: dict[str, str]) -> dict[str, str]:
    """The labels that were taken; a person may have edited the annotation."""
    try:
        found = json.loads(notes.get(names.ANNOTATION_DETACHED) or "{}")
    except (ValueError, RecursionError):
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}
