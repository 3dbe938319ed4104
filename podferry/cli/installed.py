"""Which podferry a cluster has, and whether this one may be put over it.

Owns the reading of the two annotations of the namespace, and the refusal in words. An older one
over a newer one is refused: its CRD would drop fields that the newer one wrote. So is one that
does not understand what is installed. Never changes anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from podferry import __version__
from podferry.wire import agent_api
from podferry.wire.names import ANNOTATION_PROTOCOL, ANNOTATION_VERSION, SYSTEM_NAMESPACE


@dataclass(frozen=True, slots=True)
class Release:
    """A podferry: its version, its wire protocol, and the oldest protocol that it speaks."""

    version: str
    protocol: int
    oldest: int


OURS = Release(__version__, agent_api.PROTOCOL, agent_api.PROTOCOL_OLDEST)


def read(run: Callable[..., str]) -> Release | None:
    """Return what the namespace says is installed, None if nothing is or it does not say.

    Args:
        run: runs kubectl with these arguments and returns what it printed.
    """
    text = run("get", "namespace", SYSTEM_NAMESPACE, "-o", "json", "--ignore-not-found")
    return parsed(json.loads(text)) if text.strip() else None


def parsed(namespace: dict[str, Any]) -> Release | None:
    """Return what the annotations of the namespace say, None if they do not. Pure."""
    notes = (namespace.get("metadata") or {}).get("annotations") or {}
    version, protocol = str(notes.get(ANNOTATION_VERSION, "")), str(notes.get(ANNOTATION_PROTOCOL))
    if not _numbers(version) or not protocol.isdigit():
        return None
    return Release(version, int(protocol), int(protocol))


def refusal(there: Release | None, ours: Release = OURS) -> str:
    """Why `ours` must not be put over `there`, and what to do; "" if it may. Pure."""
    if there is None:
        return ""
    if _numbers(ours.version) < _numbers(there.version):
        return (
            f"the cluster has podferry {there.version}, this is {ours.version}: an older one may"
            " not understand moves that are under way, and its CRD drops fields of the newer. Use"
            f" podferry {there.version} or later, or --force once `kubectl get migrations -A` shows"
            " that every Migration has ended"
        )
    if there.protocol < ours.oldest:
        return (
            f"the cluster has podferry {there.version} (protocol {there.protocol}), and this,"
            f" {ours.version}, understands protocol {ours.oldest} or later. Install a release"
            " between them first, or --force once `kubectl get migrations -A` shows that every"
            " Migration has ended"
        )
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", version)[:3])
