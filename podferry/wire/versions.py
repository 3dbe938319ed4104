"""Which builds of controller and agents understand each other. Values and one rule, no I/O.

A build speaks a range of protocols (`agent_api.PROTOCOL`). Two builds understand each other if the
newer one still speaks what the older one speaks. The build's own version is for people only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from podferry.wire import agent_api

FIRST = 1
"""What an agent speaks that says nothing: builds before protocols were told."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one build speaks: protocols `oldest` to `protocol`; `version` is the build's name."""

    protocol: int
    oldest: int
    version: str

    def understands(self, other: Spoken) -> bool:
        """Whether these two may begin a move together; the same from both sides."""
        return self.protocol >= other.oldest and other.protocol >= self.oldest

    def words(self) -> str:
        """For a message: `0.2.0 (protocol 2, speaks 1 to 2)`."""
        both = f", speaks {self.oldest} to {self.protocol}" if self.oldest != self.protocol else ""
        return f"{self.version or 'of unknown version'} (protocol {self.protocol}{both})"


def ours(version: str) -> Spoken:
    """What this build speaks."""
    return Spoken(agent_api.PROTOCOL, agent_api.PROTOCOL_OLDEST, version)


def told(facts: Mapping[str, Any]) -> Spoken:
    """What an agent said of itself in facts; nonsense is what the first builds spoke."""
    protocol = _number(facts.get("protocol"), FIRST)
    oldest = _number(facts.get("protocolOldest"), protocol)
    return Spoken(protocol, oldest, str(facts.get("agentVersion") or ""))


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
