"""Target rules that weigh all nodes: tightest fit, and the lowest foreseen peak."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from podferry.policies import memory
from podferry.policies.args import number
from podferry.policies.targets.common import eligible, free_after, nowhere
from podferry.policies.vocabulary import Candidate, Node, Placement, Pod, Snapshot
from podferry.policies.words import gib, seconds


def best_of(
    pod: Pod,
    source: Node,
    snapshot: Snapshot,
    judge: Callable[[Node], tuple[float, float, str]],
) -> Placement:
    """Return the node of the highest score among those that lack nothing.

    Of equal scores the node with more free memory wins, then the first.

    Args:
        pod: who is to be placed.
        source: its node.
        snapshot: the cluster.
        judge: a node -> its score, what it lacks [bytes] (0 or less: it can take the pod), why.
    """
    fit, considered = eligible(pod, source, snapshot)
    best: tuple[tuple[float, float], Node, str] | None = None
    least_lack = 0.0
    for node in fit:
        score, lack, why = judge(node)
        if lack > 0:
            considered.append(Candidate(node.name, None, f"{why}; lacks {gib(lack)}"))
            least_lack = min(least_lack or lack, lack)
            continue
        considered.append(Candidate(node.name, score, why))
        rank = (score, memory.buffer(node))
        if best is None or rank > best[0]:
            best = (rank, node, why)
    if best is None:
        return nowhere(pod, considered, least_lack)
    return Placement(best[1].name, f"{best[1].name}: {best[2]}", 0.0, tuple(considered))


@dataclass(frozen=True, slots=True)
class BestFit:
    """Takes the node that has least left after the move, of those that have enough."""

    free_percent: float = number("threshold of the detector", 30.0, "%", 0, 100)
    margin: float = number("so much above the threshold must stay free", 5.0, "%", 0, 100)

    def place(self, pod: Pod, node: Node, snapshot: Snapshot) -> Placement:
        """See `Targets`."""
        floor = self.free_percent + self.margin

        def judge(other: Node) -> tuple[float, float, str]:
            after = free_after(other, pod)
            lack = floor / 100.0 * other.capacity - (memory.buffer(other) - pod.memory)
            return -after, lack, f"{after:.1f} % free after the move, {floor:g} % must be"

        return best_of(pod, node, snapshot, judge)


@dataclass(frozen=True, slots=True)
class LeastPeak:
    """Takes the node whose foreseen peak, with the pod, is the smallest share of its memory."""

    free_percent: float = number("threshold of the detector", 30.0, "%", 0, 100)
    margin: float = number("so much above the threshold must stay free", 5.0, "%", 0, 100)
    window: float = number("in which peaks and slopes are read", 300.0, "s", 1, 86400)
    look_ahead: float = number("how far slopes are extended beyond the move", 300.0, "s", 0, 86400)

    def place(self, pod: Pod, node: Node, snapshot: Snapshot) -> Placement:
        """See `Targets`."""
        horizon = pod.cost.total + self.look_ahead
        arriving = pod.memory + max(0.0, memory.growth(pod.history, self.window) or 0.0) * (
            self.look_ahead
        )
        floor = self.free_percent + self.margin

        def judge(other: Node) -> tuple[float, float, str]:
            peak = self._peak(other, horizon) + arriving
            share = peak / other.capacity
            lack = floor / 100.0 * other.capacity - (memory.buffer(other) - pod.memory)
            lack = max(lack, peak - memory.limit(other))
            why = f"peak of {share * 100:.1f} % foreseen in {seconds(horizon)} with the pod"
            return -share, lack, why

        return best_of(pod, node, snapshot, judge)

    def _peak(self, node: Node, horizon: float) -> float:
        """Return the largest use of the window or of the horizon, moves under way counted."""
        first = memory.window_start(node.history, self.window)
        highest = node.used if first is None else max(node.history.values[first:])
        growth = max(0.0, memory.growth(node.history, self.window) or 0.0)
        arriving = node.incoming - node.outgoing
        return max(highest, node.used + growth * horizon) + max(arriving, 0.0)
