"""Merge patch, JSON patch and a simple server-side apply, for the fake API server."""

from __future__ import annotations

import copy
from typing import Any


class PatchFailed(Exception):
    """A JSON patch that cannot be applied."""


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386; changes and returns `target`."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    if not isinstance(target, dict):
        target = {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merge(target.get(name), value)
    return target


def json_patch(document: Any, operations: list[dict[str, Any]]) -> Any:
    """RFC 6902; returns a new document or raises PatchFailed."""
    document = copy.deepcopy(document)
    for operation in operations:
        try:
            document = _operate(document, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise PatchFailed(
                f"the server rejected our request due to an error in our request: "
                f"{operation}: {error!r}"
            ) from None
    return document


def _parts(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _find(document: Any, parts: list[str]) -> Any:
    for part in parts:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _operate(document: Any, operation: dict[str, Any]) -> Any:
    kind = operation["op"]
    parts = _parts(operation["path"])
    if kind == "test":
        try:
            found = _find(document, parts)
        except (KeyError, IndexError):
            found = None
        if found != operation.get("value"):
            raise ValueError(f"testing value {operation['path']} failed: it is {found!r}")
        return document
    if kind in ("move", "copy"):
        source = _parts(operation["from"])
        value = copy.deepcopy(_find(document, source))
        if kind == "move":
            document = _put(document, source, None, kind="remove")
        return _put(document, parts, value, kind="add")
    return _put(document, parts, copy.deepcopy(operation.get("value")), kind=kind)


def _put(document: Any, parts: list[str], value: Any, *, kind: str) -> Any:
    if not parts:
        return value
    parent, last = _find(document, parts[:-1]), parts[-1]
    if isinstance(parent, list):
        index = len(parent) if last == "-" else int(last)
        if kind == "add":
            parent.insert(index, value)
        elif kind == "replace":
            parent[index] = value
        else:
            del parent[index]
    elif kind == "add":
        parent[last] = value
    else:
        del parent[last]  # raises when absent, for replace too
        if kind == "replace":
            parent[last] = value
    return document


def apply(live: Any, wanted: Any, before: Any) -> Any:
    """Merge `wanted` into `live`; what was in `before` and is not wanted any more goes."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        before = before if isinstance(before, dict) else {}
        for name in before:
            if name not in wanted:
                live.pop(name, None)
        for name, value in wanted.items():
            live[name] = apply(live[name], value, before.get(name)) if name in live else value
        return live
    key = _list_key(live, wanted)
    if key is None:
        return copy.deepcopy(wanted)
    mine = {item[key]: item for item in wanted}
    old = {item[key]: item for item in before or []}
    kept = [
        apply(item, mine[item[key]], old.get(item[key])) if item[key] in mine else item
        for item in live
        if item[key] in mine or item[key] not in old
    ]
    there = {item[key] for item in kept}
    return kept + [copy.deepcopy(item) for item in wanted if item[key] not in there]


def _list_key(live: Any, wanted: Any) -> str | None:
    """Return the merge key of two lists of maps, None if they are replaced as a whole."""
    if not (isinstance(live, list) and isinstance(wanted, list)):
        return None
    for key in ("name", "type"):
        if all(isinstance(item, dict) and key in item for item in live + wanted):
            return key
    return None
