"""Migrations as values, parsed once a version: there are hundreds of finished ones.

Owns only that; the store says which there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podferry.api.errors import PodferryError
from podferry.api.migration import Migration
from podferry.kube.store import Store


class Parsed:
    """The Migrations of a store. For one event loop."""

    def __init__(self, store: Store, parse: Callable[[dict[str, Any]], Migration]) -> None:
        self._store, self._parse = store, parse
        self._known: dict[str, tuple[str, Migration]] = {}

    def all(self) -> tuple[Migration, ...]:
        """Return them in the store's order, without those that cannot be read."""
        present: dict[str, tuple[str, Migration]] = {}
        for raw in self._store.list():
            uid, version = raw["metadata"]["uid"], str(raw["metadata"].get("resourceVersion"))
            old = self._known.get(uid)
            if old is not None and old[0] == version:
                present[uid] = old
                continue
            try:
                present[uid] = (version, self._parse(raw))
            except PodferryError:
                continue  # its own reconcile reports it
        self._known = present
        return tuple(migration for _, migration in present.values())
