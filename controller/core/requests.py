"""What a pod asks for, as the scheduler counts it. Pure."""

from __future__ import annotations

from typing import Any

from podferry.api.quantity import parse_bytes
from podferry.strategies.container.finding import is_sidecar


def quantity_bytes(text: str | int | float) -> int:
    """Return a Kubernetes quantity such as `3Gi` in bytes, 0 if it is none."""
    try:
        return parse_bytes(text)
    except ValueError:
        return 0  # the API server let it pass, so it is nothing that we count


def requested_bytes(pod: dict[str, Any]) -> int:
    """Return the memory that the scheduler counts for a pod [bytes]."""
    spec = pod.get("spec") or {}

    def one(container: dict[str, Any]) -> int:
        requests = (container.get("resources") or {}).get("requests") or {}
        return quantity_bytes(requests.get("memory", 0))

    running = sum(one(container) for container in spec.get("containers") or [])
    starting = beside = 0
    for container in spec.get("initContainers") or []:
        starting = max(starting, beside + one(container))
        if is_sidecar(container):
            beside += one(container)
    return max(running + beside, starting) + quantity_bytes(
        (spec.get("overhead") or {}).get("memory", 0)
    )


def limit_bytes(pod: dict[str, Any]) -> int | None:
    """Return the memory limit of a pod's containers in all [bytes]; None: one has no limit."""
    total = 0
    for container in (pod.get("spec") or {}).get("containers") or []:
        limits = (container.get("resources") or {}).get("limits") or {}
        if "memory" not in limits:
            return None
        total += quantity_bytes(limits["memory"])
    return total
