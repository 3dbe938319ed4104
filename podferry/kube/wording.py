"""A request to the API server in words, for messages to people. Pure; sends nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Params = Mapping[str, str | int | bool | None]

_VERBS = {"POST": "create", "PUT": "update"}


def describe(method: str, path: str, params: Params | None = None, body: Any = None) -> str:
    """Return a request in words, such as `patch pods default/web-0 (status)`."""
    parts = [part for part in path.split("/") if part]
    parts = parts[2:] if parts[:1] == ["api"] else parts[3:] if parts[:1] == ["apis"] else parts
    namespace = ""
    if parts[:1] == ["namespaces"] and len(parts) > 2 and parts[2] not in ("status", "finalize"):
        namespace, parts = parts[1], parts[2:]
    verb = _VERBS.get(method, method.lower())
    if not parts:
        return f"{verb} {path}"
    name = parts[1] if len(parts) > 1 else ""
    if not name and method == "POST" and isinstance(body, Mapping):
        metadata = body.get("metadata") or {}
        name = str(metadata.get("name") or metadata.get("generateName") or "")
    if verb == "get" and len(parts) == 1:
        verb = "list"
    words = [verb, parts[0], "/".join(part for part in (namespace, name) if part)]
    if len(parts) > 2:
        words.append(f"({'/'.join(parts[2:])})")
    words += [f"[{k}={v}]" for k, v in (params or {}).items() if "Selector" in k]
    return " ".join(word for word in words if word)
