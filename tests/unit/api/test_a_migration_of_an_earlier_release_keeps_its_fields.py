"""The schema only grows: what a released one had is there with its type and its values.

The API server drops a field that the schema does not name, silently, at the next write.
`released_fields.txt` has a line a field; a release appends its new ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from podferry.api import crd

RELEASED = Path(__file__).with_name("released_fields.txt")


def fields(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """A line for each field: its path, its type, and each value of an enum."""
    for name, one in sorted((schema.get("properties") or {}).items()):
        here = f"{path}.{name}" if path else name
        yield f"{here} {one.get('type', 'any')}"
        yield from (f"{here} = {value}" for value in one.get("enum") or [])
        yield from fields(one, here)
        items = one.get("items") or {}
        yield from fields(items, f"{here}[]")


def test_every_field_of_a_release_is_still_there() -> None:
    root = crd.definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    now, then = set(fields(root)), RELEASED.read_text().split("\n")
    assert len(then) > 50
    assert sorted({line for line in then if line} - now) == []
