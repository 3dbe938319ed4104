"""Objects as a mirror keeps them: without what nobody reads, equal parts kept once.

Replicas differ in little but their names, so a mirror of many pods shrinks to a fraction, and the
garbage collector has as much less to walk through. What comes out is read-only: its parts belong to
other objects too. Owns no store and never changes what an object says.
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

KNOWN_PARTS = 50_000
"""Parts remembered for sharing; then all are forgotten and the next ones are remembered, so that
what is gone from the cluster goes from memory too."""
_OWN = 2
"""Levels of an object that are its own: the object itself; metadata, spec and status."""
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Compactor:
    """Makes compact objects and remembers the parts that they share. For one thread."""

    def __init__(self, known_parts: int = KNOWN_PARTS) -> None:
        self._known_parts = known_parts
        self._parts: dict[Any, Any] = {}

    def __call__(self, obj: Object) -> Object:
        """Return the object without managedFields and kubectl's copy of it, its parts shared.

        The argument is used up. Raises TypeError or AttributeError if it is no object.
        """
        metadata = obj["metadata"]
        metadata.pop("managedFields", None)
        annotations = metadata.get("annotations")
        if annotations:
            annotations.pop(_LAST_APPLIED, None)
        if len(self._parts) > self._known_parts:
            self._parts.clear()
        found: Object = self._compact(obj, _OWN)
        return found

    def _compact(self, value: Any, own: int) -> Any:
        """The value, or an equal one from before. A part is known by its children's identity:
        they are shared first, and what is remembered keeps them alive."""
        if isinstance(value, str):
            return self._parts.setdefault(value, value)
        if isinstance(value, dict):
            share = self._parts.setdefault
            made: Any = {
                share(name, name): self._compact(it, own - 1) for name, it in value.items()
            }
            if own > 0:
                return made
            key = ("{", *((name, _identity(it)) for name, it in made.items()))
        elif isinstance(value, list):
            made = [self._compact(it, own - 1) for it in value]
            key = ("[", *map(_identity, made))
        else:
            return value
        return self._parts.setdefault(key, made)


def _identity(value: Any) -> Any:
    """What two equal parts have in common; of true, 1 and 1.0 each is its own."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        return id(value)
    return type(value), value
