"""One reason against a move, in words for a person. A value only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from podferry.api.reasons import Reason

RawPod = dict[str, Any]
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a move is refused; the message says what, where, how much and what to do next."""

    reason: Reason
    message: str


def title(pod: RawPod) -> str:
    """Return `pod NAMESPACE/NAME` for messages."""
    meta = pod.get("metadata") or {}
    return f"pod {meta.get('namespace') or 'default'}/{meta.get('name') or '?'}"


def app_containers(pod: RawPod) -> list[dict[str, Any]]:
    """Return what runs side by side: containers, and init containers that never end (sidecars)."""
    spec = pod.get("spec") or {}
    sidecars = [one for one in spec.get("initContainers") or [] if is_sidecar(one)]
    return [*(spec.get("containers") or []), *sidecars]


def is_sidecar(init_container: dict[str, Any]) -> bool:
    """Whether an init container stays beside the app."""
    return init_container.get("restartPolicy") == "Always"
