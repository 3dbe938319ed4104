"""The target rule of the 2022 work: the least used other node, or none."""

from __future__ import annotations

from dataclasses import dataclass

from podferry.policies import memory
from podferry.policies.args import flag, number
from podferry.policies.targets.common import eligible, free_after, nowhere
from podferry.policies.vocabulary import Candidate, Node, Placement, Pod, Snapshot
from podferry.policies.words import gib


@dataclass(frozen=True, slots=True)
class LeastUsed:
    """Takes the one node with the most free memory; if the pod is too large for it, nobody."""

    free_percent: float = number("threshold of the detector", 30.0, "%", 0, 100)
    margin: float = number("so much above the threshold must stay free", 5.0, "%", 0, 100)
    rank_booked: bool = flag("ranks with moves under way; false: as measured, like the seed", False)

    def place(self, pod: Pod, node: Node, snapshot: Snapshot) -> Placement:
        """See `Targets`; the first of equal nodes is taken."""
        fit, considered = eligible(pod, node, snapshot)
        best: Node | None = None
        most = 0.0
        for other in fit:
            booked = memory.free_percent(other)
            free = booked if self.rank_booked else other.free / other.capacity * 100.0
            considered.append(Candidate(other.name, free, f"{free:.1f} % free"))
            if free > most:
                best, most = other, free
        floor = self.free_percent + self.margin
        if best is None:
            lack = min((pod.memory - memory.buffer(other) for other in fit), default=0.0)
            return nowhere(pod, considered, max(0.0, lack))
        after = free_after(best, pod)
        if after < floor:
            lack = floor / 100.0 * best.capacity - (memory.buffer(best) - pod.memory)
            why = (
                f"{best.name}, the least used, would have {after:.1f} % free with "
                f"{gib(pod.memory)} more, below {floor:g} %: it lacks {gib(lack)}"
            )
            return Placement("", why, lack, tuple(considered))
        why = f"{best.name} is the least used: {after:.1f} % free after the move"
        return Placement(best.name, why, 0.0, tuple(considered))
