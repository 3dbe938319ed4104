"""Victim rules that put pods in an order and take them until enough is freed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from podferry.policies import memory
from podferry.policies.args import flag, number
from podferry.policies.victims.common import NOTHING_TO_MOVE, unmovable, until_covered
from podferry.policies.vocabulary import Candidate, Choice, Draw, Node, Overload, Pod, Snapshot
from podferry.policies.words import GIB, gib, seconds

Rank = Callable[[Pod], tuple[float, str]]
"""Score (higher is taken first) and reason of one pod."""


def ranked(node: Node, overload: Overload, rank: Rank, several: bool, order: str) -> Choice:
    """Return the pods of highest score, one or until the need is covered.

    Of equal scores the smaller pod comes first, then the key decides.
    """
    scored = sorted(
        ((rank(pod), pod) for pod in memory.movable(node)),
        key=lambda each: (-each[0][0], each[1].memory, each[1].key),
    )
    considered = (
        *unmovable(node),
        *(Candidate(pod.key, score, why) for (score, why), pod in scored),
    )
    if not scored:
        return Choice((), NOTHING_TO_MOVE, considered)
    need = overload.need if several else 0.0
    keys, freed = until_covered((pod for _, pod in scored), need)
    why = f"{order}: {gib(freed)} of {gib(overload.need)} to be freed"
    return Choice(tuple(keys), why, considered)


@dataclass(frozen=True, slots=True)
class MinimumMigrationTime:
    """Takes the pods whose moves are over first."""

    several: bool = flag("true: until enough is freed; false: one pod a decision", True)
    min_size: float = number("smaller pods come after all others", 0.0, "bytes")

    def choose(self, node: Node, overload: Overload, snapshot: Snapshot, draw: Draw) -> Choice:
        """See `Victims`."""

        def rank(pod: Pod) -> tuple[float, str]:
            if pod.memory < self.min_size:
                return -inf, f"{gib(pod.memory)}, less than {gib(self.min_size)}"
            return -pod.cost.total, f"{seconds(pod.cost.total)} for {gib(pod.memory)}"

        return ranked(node, overload, rank, self.several, "shortest move first")


@dataclass(frozen=True, slots=True)
class Sandpiper:
    """Takes the pods with the most load for their size."""

    several: bool = flag("true: until enough is freed; false: one pod a decision", True)

    def choose(self, node: Node, overload: Overload, snapshot: Snapshot, draw: Draw) -> Choice:
        """See `Victims`; load is the pod's share of memory and of requested cores."""

        def rank(pod: Pod) -> tuple[float, str]:
            volume = 1.0
            cores = pod.cpu / node.cpu if node.cpu else 0.0
            for share in (pod.memory / node.capacity, cores):
                volume /= 1.0 - min(share, 0.99)
            size = pod.memory / GIB
            return volume / size, f"volume {volume:.2f} for {gib(pod.memory)}"

        return ranked(node, overload, rank, self.several, "highest volume per GiB first")


@dataclass(frozen=True, slots=True)
class KubeletOrder:
    """Takes the pods that kubelet would evict first."""

    several: bool = flag("true: until enough is freed; false: one pod a decision", True)

    def choose(self, node: Node, overload: Overload, snapshot: Snapshot, draw: Draw) -> Choice:
        """See `Victims`; the QoS class does not count, as with kubelet."""
        order = sorted(
            memory.movable(node),
            key=lambda pod: (
                pod.memory <= pod.request,
                pod.priority,
                pod.request - pod.memory,
                pod.key,
            ),
        )
        place = {pod.key: -float(at) for at, pod in enumerate(order)}

        def rank(pod: Pod) -> tuple[float, str]:
            over = pod.memory - pod.request
            side = "above" if over > 0 else "below"
            return place[pod.key], f"{gib(abs(over))} {side} its request, priority {pod.priority}"

        return ranked(node, overload, rank, self.several, "in the order of kubelet's evictions")


@dataclass(frozen=True, slots=True)
class Random:
    """Takes any pods: the yardstick for every other rule."""

    several: bool = flag("true: until enough is freed; false: one pod a decision", True)

    def choose(self, node: Node, overload: Overload, snapshot: Snapshot, draw: Draw) -> Choice:
        """See `Victims`; draws once a pod, in the order of their keys."""
        drawn = {pod.key: draw() for pod in sorted(memory.movable(node), key=lambda pod: pod.key)}
        return ranked(
            node, overload, lambda pod: (drawn[pod.key], gib(pod.memory)), self.several, "drawn"
        )


@dataclass(frozen=True, slots=True)
class CostBenefit:
    """Takes the pods that free most in time, for the progress that moving them costs.

    Score: GiB freed before the node is exhausted, counted up to the need, per second of progress
    lost (`value * (freeze + loss_share * age)`, at least 10 ms).
    """

    window: float = number("between the two samples of a slope", 120.0, "s", 1, 86400)
    loss_share: float = number(
        "of a pod's progress that its move loses: 0 container, 1 cold restart", 0.0, "", 0, 1
    )
    several: bool = flag("true: until enough is freed; false: one pod a decision", True)

    def choose(self, node: Node, overload: Overload, snapshot: Snapshot, draw: Draw) -> Choice:
        """See `Victims`."""

        def rank(pod: Pod) -> tuple[float, str]:
            freed = self._freed(pod, overload)
            counted = min(freed, overload.need) if overload.need > 0 else freed
            age = max(0.0, snapshot.now - pod.started)
            lost = max(0.01, pod.value * (pod.cost.freeze + self.loss_share * age))
            why = f"{gib(freed)} freed in time for {seconds(lost)} of its progress"
            return counted / GIB / lost, why

        return ranked(node, overload, rank, self.several, "most freed in time per progress lost")

    def _freed(self, pod: Pod, overload: Overload) -> float:
        """Return what its move frees before exhaustion [bytes].

        Its growth stops with its freeze; its memory is free only if the move is over in time.
        """
        left = overload.exhausted_in
        grown = 0.0
        if left is not None:
            grown = max(0.0, memory.growth(pod.history, self.window) or 0.0) * left
        return grown + (pod.memory if left is None or pod.cost.total <= left else 0.0)
