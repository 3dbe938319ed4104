"""Trimaran's LowRiskOverCommitment as target rule: the node least likely to be short."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import fmean

from podferry.policies import memory
from podferry.policies.args import count, number
from podferry.policies.beta import tail
from podferry.policies.targets.common import free_after
from podferry.policies.targets.packing import best_of
from podferry.policies.vocabulary import Node, Placement, Pod, Snapshot


@dataclass(frozen=True, slots=True)
class LowRisk:
    """Takes the node with the lowest risk that limits, or measured load, exceed what there is."""

    free_percent: float = number("threshold of the detector", 30.0, "%", 0, 100)
    margin: float = number("so much above the threshold must stay free", 5.0, "%", 0, 100)
    samples: int = count("newest samples that the load is fitted to", 5, 1, 10_000)
    limit_weight: float = number("weight of the limit risk beside the load risk", 0.5, "", 0, 1)

    def place(self, pod: Pod, node: Node, snapshot: Snapshot) -> Placement:
        """See `Targets`."""
        floor = self.free_percent + self.margin

        def judge(other: Node) -> tuple[float, float, str]:
            limit, load = limit_risk(other, pod), load_risk(other, pod, self.samples)
            risk = self.limit_weight * limit + (1 - self.limit_weight) * load
            lack = floor / 100.0 * other.capacity - (memory.buffer(other) - pod.memory)
            why = (
                f"risk {risk:.3f} (limits {limit:.3f}, load {load:.3f}), "
                f"{free_after(other, pod):.1f} % free after the move"
            )
            return -risk, lack, why

        return best_of(pod, node, snapshot, judge)


def limit_risk(node: Node, pod: Pod) -> float:
    """Return how far limits exceed the capacity, as a share of what they exceed requests by.

    A pod without a limit counts with the larger of its request and its memory.
    """
    pods = (*node.pods, pod)
    limits = sum(
        max(each.request, each.memory) if each.limit is None else each.limit for each in pods
    )
    requests = node.requested + pod.request
    over = limits - node.capacity
    if over <= 0 or limits <= requests:
        return 0.0
    return min(1.0, over / (limits - requests))


def load_risk(node: Node, pod: Pod, samples: int) -> float:
    """Return the probability that use exceeds the requests (of the pod too), by a fitted Beta.

    As Trimaran takes it: mean and deviation of the last samples, with the pod's memory added to the
    mean; where nothing is requested the limit of the node stands in for the requests.
    """
    top = memory.limit(node)
    last = memory.shares(node, samples) or [memory.expected(node) / top]
    mean = fmean(last)
    deviation = sqrt(fmean((value - mean) ** 2 for value in last))
    mean = min(1.0, max(0.0, mean + pod.memory / top))
    requested = node.requested + pod.request
    threshold = min(1.0, requested / top) if requested > 0 else 1.0
    return tail(mean, deviation, threshold)
