"""The unscheduler of the 2022 work: hot nodes get no new pods."""

from __future__ import annotations

from dataclasses import dataclass

from podferry.policies.args import number
from podferry.policies.vocabulary import Node


@dataclass(frozen=True, slots=True)
class FreeMemory:
    """Cordons a node that is short of memory, and opens it again well below that."""

    free_percent: float = number("a node with less free memory takes no new pods", 20.0, "%", 0, 99)
    distance_percent: float = number("further free memory that opens it again", 15.0, "%", 0, 99)

    def cordon(self, node: Node) -> bool:
        """See `Cordoner`; between the two thresholds a node stays what it is."""
        used = node.used / node.capacity
        threshold = 1.0 - self.free_percent / 100.0
        if used > threshold:
            return True
        if used <= threshold - self.distance_percent / 100.0:
            return False
        return not node.schedulable
