"""Label and field selectors, and what a watch with one sees."""

from __future__ import annotations

import re
from typing import Any

from tests.fakes.model import Event, Object


def as_seen(
    event: Event, namespace: str | None, query: dict[str, str]
) -> tuple[str, Object] | None:
    """Return the event as a watch with this selector sees it, None if it does not."""
    now = event.type != "DELETED" and selected(event.object, namespace, query)
    before = event.old is not None and selected(event.old, namespace, query)
    if now:
        return ("MODIFIED" if before else "ADDED", event.object)
    return ("DELETED", event.object) if before else None


def selected(obj: Object, namespace: str | None, query: dict[str, str]) -> bool:
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
