"""Which pods would rather not be moved, by whose word. Pure.

A pod that is excluded is refused (`strategies/container/pod_checks.py`). One that is reluctant may
be moved, by an eviction or on demand; a rescue takes it only where no other would do.
"""

from __future__ import annotations

from podferry.strategies.container.finding import RawPod
from podferry.wire import names


def reluctance(pod: RawPod) -> str:
    """Why a rescue should rather choose another pod, for a person; empty where nothing says so."""
    notes = (pod.get("metadata") or {}).get("annotations") or {}
    if names.PREFER_NO_EVICTION in notes:
        return f"it has the annotation {names.PREFER_NO_EVICTION}"
    return ""
