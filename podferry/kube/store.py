"""What a reflector knows: objects by key and by index, in memory.

Owns the cache and its indexes. It never talks to the server and never copies: what it returns is
shared, so treat it as read-only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Object = dict[str, Any]
Objects = list[Object]
Keys = list[str]
Indexer = Callable[[Object], Iterable[str]]
"""Returns the values under which an object is found."""


def key_of(obj: Mapping[str, Any]) -> str:
    """Return `namespace/name`, or `name` for a cluster-scoped object."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def version_of(obj: Mapping[str, Any]) -> str:
    """Return the resourceVersion, `""` if it has none."""
    return str(obj["metadata"].get("resourceVersion", ""))


class Store:
    """Objects of one kind. Keys are `namespace/name` (`name` when cluster-scoped)."""

    def __init__(self, *, indexers: Mapping[str, Indexer] | None = None) -> None:
        self._indexers = dict(indexers or {})
        self._objects: dict[str, Object] = {}
        self._indexes: dict[str, dict[str, set[str]]] = {name: {} for name in self._indexers}

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: str) -> Object | None:
        """Return the object with this key, None if there is none. Read-only."""
        return self._objects.get(key)

    def list(self) -> Objects:
        """Return all objects, in key order. Read-only."""
        return [self._objects[key] for key in sorted(self._objects)]

    def by_index(self, name: str, value: str) -> Objects:
        """Return the objects for which indexer `name` gave `value`, in key order.

        Raises:
            KeyError: no indexer of that name.
        """
        keys = self._indexes[name].get(value, ())
        return [self._objects[key] for key in sorted(keys)]

    def add_indexer(self, name: str, indexer: Indexer) -> None:
        """Add an index; objects that are already here are indexed at once."""
        self._indexers[name] = indexer
        self._indexes[name] = {}
        for key, obj in self._objects.items():
            self._index(name, key, obj)

    def put(self, obj: Object) -> bool:
        """Keep an object; return False if this very version was already here."""
        key = key_of(obj)
        old = self._objects.get(key)
        version = version_of(obj)
        if old is not None and version and version_of(old) == version:
            return False
        self._forget(key)
        self._objects[key] = obj
        for name in self._indexers:
            self._index(name, key, obj)
        return True

    def drop(self, key: str) -> bool:
        """Remove an object; return False if it was not here."""
        self._forget(key)
        return self._objects.pop(key, None) is not None

    def replace(self, objects: Iterable[Object]) -> Keys:
        """Become exactly these objects; return the keys that changed, came or went, in order."""
        fresh = {key_of(obj): obj for obj in objects}
        changed = [key for key in self._objects if key not in fresh]
        for key in changed:
            self.drop(key)
        changed += [key for key, obj in fresh.items() if self.put(obj)]
        return sorted(changed)

    def _index(self, name: str, key: str, obj: Object) -> None:
        for value in self._indexers[name](obj):
            self._indexes[name].setdefault(value, set()).add(key)

    def _forget(self, key: str) -> None:
        old = self._objects.get(key)
        if old is None:
            return
        for name, indexer in self._indexers.items():
            for value in indexer(old):
                keys = self._indexes[name].get(value)
                if keys is not None:
                    keys.discard(key)
                    if not keys:
                        del self._indexes[name][value]
