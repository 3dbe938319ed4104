"""The four victim rules of the 2022 work: steepest slopes, largest, big enough, knapsack.

Owns what the seed's migrators do. Sizes are compared in GiB as they were there.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace

from podferry.policies import memory
from podferry.policies.args import count, flag, number, plug_in
from podferry.policies.victims.common import NOTHING_TO_MOVE, unmovable
from podferry.policies.victims.knapsack import best_set
from podferry.policies.vocabulary import (
    Candidate,
    Choice,
    Draw,
    Node,
    Overload,
    Pod,
    Snapshot,
    Victims,
)
from podferry.policies.words import GIB, gib, pace, seconds


@dataclass(frozen=True, slots=True)
class SteepestSlope:
    """Takes the fastest growers until the growth of the others fits into what is free."""

    min_slope: float = number("slower pods are not looked at", GIB, "bytes/min")
    look_ahead: float = number("how far slopes are extended", 300.0, "s", 1, 86400)
    window: float = number("between the two samples of a slope", 60.0, "s", 1, 86400)
    otherwise: Victims | None = field(
        default=None, metadata=plug_in("asked where this rule takes nobody", "victim")
    )

    def choose(self, node: Node, overload: Overload, snapshot: Snapshot, draw: Draw) -> Choice:
        """See `Victims`; `overload.need` is not looked at."""
        free = memory.buffer(node)
        minutes = self.look_ahead / 60.0
        steep: list[tuple[float, str]] = []
        considered = unmovable(node)
        predicted = 0.0
        for pod in memory.movable(node):
            slope = memory.slope(pod.history, self.window)
            why = "no two samples" if slope is None else pace(slope / 60.0)
            considered.append(Candidate(pod.key, slope, why))
            if slope is not None and slope > self.min_slope:
                steep.append((-slope, pod.key))
                predicted += slope * minutes
        foreseen = f"{gib(predicted)} foreseen in {seconds(self.look_ahead)}, {gib(free)} free"
        heapq.heapify(steep)
        pods: list[str] = []
        while predicted > free and steep:
            negative, key = heapq.heappop(steep)
            predicted += negative * minutes
            pods.append(key)
        if not pods and self.otherwise is not None:
            other = self.otherwise.choose(node, overload, snapshot, draw)
            return replace(other, why=f"{foreseen}, so: {other.why}")
        if predicted > free:
            foreseen += "; all that grow so fast are not enough"
        return Choice(tuple(pods), foreseen, tuple(considered))


@dataclass(frozen=True, slots=True)
class Largest:
    """Takes the pod with the most memory."""

    only_if_enough: bool = flag("takes nobody where it is smaller than what is to be freed", True)

    def choose(self, node: Node, overload: Overload, snapshot: Snapshot, draw: Draw) -> Choice:
        """See `Victims`."""
        pods = memory.movable(node)
        considered = (*unmovable(node), *map(_sized, pods))
        if not pods:
            return Choice((), NOTHING_TO_MOVE, considered)
        largest = min(pods, key=lambda pod: (-pod.memory, pod.key))
        what = f"the largest pod holds {gib(largest.memory)} of {gib(overload.need)} to be freed"
        if self.only_if_enough and largest.memory < overload.need:
            return Choice((), f"{what}, which is not enough", considered)
        return Choice((largest.key,), what, considered)


@dataclass(frozen=True, slots=True)
class BigEnough:
    """Takes the smallest pod that frees what is to be freed."""

    otherwise: Victims | None = field(
        default=None, metadata=plug_in("asked where no single pod is big enough", "victim")
    )

    def choose(self, node: Node, overload: Overload, snapshot: Snapshot, draw: Draw) -> Choice:
        """See `Victims`."""
        pods = memory.movable(node)
        considered = (*unmovable(node), *map(_sized, pods))
        enough = [pod for pod in pods if pod.memory >= overload.need]
        if enough:
            chosen = min(enough, key=lambda pod: (pod.memory, pod.key))
            size, need = gib(chosen.memory), gib(overload.need)
            return Choice((chosen.key,), f"the smallest with {need}: {size}", considered)
        short = f"no single pod holds {gib(overload.need)}"
        if self.otherwise is not None:
            other = self.otherwise.choose(node, overload, snapshot, draw)
            return replace(other, why=f"{short}, so: {other.why}")
        return Choice((), short, considered)


@dataclass(frozen=True, slots=True)
class Knapsack:
    """Takes the set worth most that is not larger than what is to be freed ("optimal")."""

    min_size: float = number("smaller pods are not looked at", 5 * GIB, "bytes")
    move_factor: float = number("what each earlier move leaves of a pod's worth", 0.5, "", 0, 1)
    max_steps: int = count("sets that are tried at most", 20_000, 1)

    def choose(self, node: Node, overload: Overload, snapshot: Snapshot, draw: Draw) -> Choice:
        """See `Victims`; sizes are cut to whole GiB as the seed cuts them."""
        able = memory.movable(node)
        pods = [pod for pod in able if pod.memory > self.min_size]
        pods.sort(key=lambda pod: (-self._worth(pod), pod.key))
        items = [(int(pod.memory / GIB), self._worth(pod)) for pod in pods]
        room = int(overload.need / GIB)
        taken, whole = best_set(room, items, self.max_steps)
        considered = (
            *unmovable(node),
            *(Candidate(pod.key, self._worth(pod), self._why(pod)) for pod in able),
        )
        if not taken:
            return Choice((), f"no pod above {gib(self.min_size)} fits {room} GiB", considered)
        why = f"worth most of those that fit {room} GiB, moved before counts {self.move_factor:g}"
        if not whole:
            why += f"; the best of the first {self.max_steps} sets, not of all"
        return Choice(tuple(pods[at].key for at in taken), why, considered)

    def _worth(self, pod: Pod) -> float:
        return float(self.move_factor**pod.moves) * (pod.memory / GIB)

    def _why(self, pod: Pod) -> str:
        small = "" if pod.memory > self.min_size else f", not above {gib(self.min_size)}"
        return f"{gib(pod.memory)}, moved {pod.moves} times{small}"


def _sized(pod: Pod) -> Candidate:
    return Candidate(pod.key, pod.memory, gib(pod.memory))
