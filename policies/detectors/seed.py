"""The two detectors of the 2022 work: free memory below a threshold, now or as foreseen."""

from __future__ import annotations

from dataclasses import dataclass

from podferry.policies import memory
from podferry.policies.args import number
from podferry.policies.vocabulary import Node, Overload, Snapshot
from podferry.policies.words import GIB, gib, pace, seconds


@dataclass(frozen=True, slots=True)
class Threshold:
    """Free memory is below a share of the capacity; so much is to be freed that it is not."""

    free_percent: float = number("a node with less free memory needs help", 30.0, "%", 0.1, 100)

    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        """See `Detector`."""
        free = memory.free_percent(node)
        if free >= self.free_percent:
            return None
        need = self.free_percent / 100.0 * node.capacity - memory.buffer(node)
        why = f"{free:.1f} % free, below {self.free_percent:g} %: {gib(need)} to be freed"
        return memory.overload(node, need, why)


@dataclass(frozen=True, slots=True)
class Never:
    """No node ever needs help: for policies that only cordon."""

    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        """See `Detector`."""
        return None


@dataclass(frozen=True, slots=True)
class Slope:
    """Free memory will be below the threshold if every pod goes on as in the last `window`."""

    free_percent: float = number("of the foreseen free memory", 30.0, "%", 0.1, 100)
    look_ahead: float = number("how far slopes are extended", 300.0, "s", 1, 86400)
    window: float = number("between the two samples of a slope", 60.0, "s", 1, 86400)
    unknown_slope: float = number(
        "GiB a minute of a pod without two samples; the seed's code has -1", 0.0, "", -1000, 1000
    )

    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        """See `Detector`."""
        total = 0.0
        for pod in node.pods:
            slope = memory.slope(pod.history, self.window)
            total += self.unknown_slope * GIB if slope is None else slope
        grown = total * (self.look_ahead / 60.0)
        free = memory.free_percent(node) - grown / node.capacity * 100.0
        if free >= self.free_percent:
            return None
        need = self.free_percent / 100.0 * node.capacity - free / 100.0 * node.capacity
        why = (
            f"{free:.1f} % free in {seconds(self.look_ahead)} at {pace(total / 60.0)}, "
            f"below {self.free_percent:g} %: {gib(need)} to be freed"
        )
        return memory.overload(node, need, why, total / 60.0)
