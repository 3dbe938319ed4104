"""The raw pods of one look, found by key and by namespace. Pure.

Made only when somebody asks: most looks find every node fine, and a cluster has many pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from podferry.strategies.container.finding import RawPod


class RawPods:
    """Opted-in pods, given by node."""

    def __init__(self, by_node: Mapping[str, Iterable[RawPod]]) -> None:
        self._by_node = by_node

    def are(self, by_node: Mapping[str, Iterable[RawPod]]) -> bool:
        """Whether this is the index of that very mapping."""
        return self._by_node is by_node

    def get(self, key: str) -> RawPod | None:
        """Return the pod `namespace/name`, None if there is none."""
        return self._by_key.get(key)

    def __getitem__(self, key: str) -> RawPod:
        return self._by_key[key]

    def of_namespace(self, namespace: str) -> Mapping[str, RawPod]:
        """Return the pods of a namespace by name."""
        return self._by_namespace.get(namespace, {})

    @cached_property
    def _by_key(self) -> dict[str, RawPod]:
        return {
            f"{namespace}/{name}": pod
            for namespace, pods in self._by_namespace.items()
            for name, pod in pods.items()
        }

    @cached_property
    def _by_namespace(self) -> dict[str, dict[str, RawPod]]:
        found: dict[str, dict[str, RawPod]] = {}
        for pods in self._by_node.values():
            for pod in pods:
                metadata = pod["metadata"]
                beside = found.setdefault(str(metadata.get("namespace")), {})
                beside[str(metadata["name"])] = pod
        return found
