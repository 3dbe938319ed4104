"""Reads what agents said of their nodes, as the controller shows it in ConfigMap `podferry-nodes`.

Owns the reading and the words for what is not there. Facts that are missing are never guessed, and
that they cannot be read is no failure of a command that can do without them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.wire.names import NODE_FACTS, SYSTEM_NAMESPACE

Object = dict[str, Any]
OLD_SECONDS = 900.0
"""The controller writes every 5 min; older facts are said to be old [s]."""
LOOK = f"kubectl -n {SYSTEM_NAMESPACE} get pods -o wide"
BIND = (
    f"kubectl -n {SYSTEM_NAMESPACE} create rolebinding {NODE_FACTS}-view"
    f" --role={NODE_FACTS}-view --user=YOU"
)


@dataclass(frozen=True, slots=True)
class Told:
    """Facts by node; `why` says in words why there are none at all, "" where they were read."""

    facts: dict[str, Object] = field(default_factory=dict)
    why: str = ""

    def of(self, node: str) -> Object | None:
        """The agent's facts of a node, None if there are none."""
        return self.facts.get(node)

    def missing(self, node: str) -> str:
        """Why a node has no facts and what to do; "" where it has some."""
        if node in self.facts:
            return ""
        return self.why or f"no facts: its agent did not answer the controller lately: {LOOK}"


async def read(client: ApiClient) -> Told:
    """Return what is published. Raises ApiError, but neither NotFound nor Forbidden."""
    try:
        raw = await client.get(paths.configmaps(SYSTEM_NAMESPACE, NODE_FACTS))
    except errors.NotFound:
        return Told(
            why="no facts yet: the controller has written none; it does within 15 s of its start, "
            f"see: {LOOK}"
        )
    except errors.Forbidden:
        return Told(
            why=f"facts not readable: you lack the right `get configmaps/{NODE_FACTS}` in namespace"
            f" {SYSTEM_NAMESPACE}; an administrator gives it: {BIND}"
        )
    return Told(facts=parsed(raw.get("data") or {}))


def parsed(data: dict[str, str]) -> dict[str, Object]:
    """Return the facts that can be read; a value that is no JSON object is no facts. Pure."""
    found = {}
    for node, text in data.items():
        try:
            value = json.loads(text)
        except ValueError:
            continue
        if isinstance(value, dict):
            found[node] = value
    return found


def is_old(facts: Iterable[Object], now: datetime) -> str:
    """Return a warning where even the newest facts are old, "" otherwise. Pure."""
    seen = [at for one in facts if (at := _time(one.get("observedAt"))) is not None]
    if not seen:
        return ""
    age = (now - max(seen)).total_seconds()
    if age <= OLD_SECONDS:
        return ""
    return f"the facts are {age / 60:.0f} min old, so no controller is leading now: {LOOK}"


def _time(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else None
