"""How much memory the pods of each node request: kept up with each change, never summed anew.

Owns the sums over all pods of the cluster, those that opted in and those that did not; of the
latter only what is counted is kept in memory.
"""

from __future__ import annotations

from typing import Any

from podferry.controller.core.requests import requested_bytes

Object = dict[str, Any]
_OVER = ("Succeeded", "Failed")
_BYTES = "requestedBytes"


def counted_only(pod: Object) -> Object:
    """Return of a pod what is needed to know it and to count it."""
    metadata = pod["metadata"]
    kept = {name: metadata[name] for name in ("namespace", "name", "resourceVersion")}
    return {
        "metadata": kept,
        "spec": {"nodeName": (pod.get("spec") or {}).get("nodeName")},
        "status": {"phase": (pod.get("status") or {}).get("phase")},
        _BYTES: requested_bytes(pod),
    }


class Requested:
    """Sums by node over the pods of one store. For one event loop."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[str, int]] = {}
        self._by_node: dict[str, int] = {}

    def changed(self, key: str, pod: Object | None) -> None:
        """Take a pod as it is now in; None: it is gone."""
        node, size = self._of.pop(key, ("", 0))
        if node:
            self._by_node[node] -= size
        at = (pod or {}).get("spec", {}).get("nodeName")
        if pod is None or not at or (pod.get("status") or {}).get("phase") in _OVER:
            return
        size = pod[_BYTES] if _BYTES in pod else requested_bytes(pod)
        self._of[key] = (at, size)
        self._by_node[at] = self._by_node.get(at, 0) + size

    def on(self, node: str) -> int:
        """Return what the pods on a node that are not over request [bytes]."""
        return self._by_node.get(node, 0)
