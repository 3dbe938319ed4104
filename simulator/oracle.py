"""Rules that know the future: what a policy could reach at best. Never for a real cluster.

Owns the clairvoyant detector and victim rule. They close over the trace: a pod's curve and how far
it has come (`Pod.started`) tell all it will do, undisturbed. Arrivals to come they do not know.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from podferry.policies.vocabulary import (
    Candidate,
    Choice,
    Draw,
    Node,
    Overload,
    Pod,
    Snapshot,
)
from podferry.simulator.model import Trace, TracePod


def oracle(trace: Trace, horizon: float = 600.0, step: float = 15.0) -> Oracle:
    """Return detector and victim rule in one, for pods of this trace.

    Args:
        trace: whose pods will be simulated.
        horizon: how far ahead it looks [s].
        step: between two seconds that it looks at [s].
    """
    return Oracle({pod.name: pod for pod in trace.pods}, horizon, step)


@dataclass(frozen=True, slots=True)
class Oracle:
    """Sees a node's use of the next `horizon` seconds, as far as its present pods make it."""

    pods: Mapping[str, TracePod]
    horizon: float
    step: float

    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        """See `Detector`: the node will reach kubelet's threshold with the pods it has."""
        limit = node.capacity - node.eviction
        booked = node.incoming - node.outgoing
        others = node.used - sum(pod.memory for pod in node.pods) + booked
        most, first = 0.0, None
        for ahead in self._seconds():
            used = others + sum(self.memory(pod, snapshot.now + ahead) for pod in node.pods)
            most = max(most, used)
            if used > limit and first is None:
                first = ahead
        if first is None:
            return None
        return Overload(node.name, most - limit, first, f"will be full in {first:g} s")

    def choose(self, node: Node, overload: Overload, snapshot: Snapshot, draw: Draw) -> Choice:
        """See `Victims`: the shortest freeze among the pods whose absence is enough.

        Where no single pod is enough, the one that will hold most when the node is full. What lies
        beyond the horizon (another detector's overload) is judged by its end.
        """
        when = snapshot.now + min(overload.exhausted_in or 0.0, self.horizon - self.step)
        pods = [pod for pod in node.pods if not pod.blocked and pod.memory > 0]
        if not pods:
            return Choice((), "no pod can be moved")
        holds = {
            pod.key: min(
                self.memory(pod, snapshot.now + ahead)
                for ahead in self._seconds()
                if snapshot.now + ahead >= when
            )
            for pod in pods
        }
        considered = tuple(Candidate(pod.key, holds[pod.key], "holds at least") for pod in pods)
        enough = [pod for pod in pods if holds[pod.key] >= overload.need]
        if enough:
            best = min(enough, key=lambda pod: (pod.cost.total, pod.key))
            return Choice((best.key,), "enough, with the shortest move", considered)
        best = max(pods, key=lambda pod: (holds[pod.key], pod.key))
        return Choice((best.key,), "none is enough; this one holds most", considered)

    def memory(self, pod: Pod, when: float) -> float:
        """Return what the pod will hold at that time if nothing disturbs it [bytes]."""
        traced = self.pods[pod.key]
        progress = when - pod.started
        if progress >= traced.lifetime:
            return 0.0
        at = max(0, bisect_right(traced.times, progress) - 1)
        if at == len(traced.times) - 1:
            return traced.memory[at]
        share = (progress - traced.times[at]) / (traced.times[at + 1] - traced.times[at])
        return traced.memory[at] + (traced.memory[at + 1] - traced.memory[at]) * share

    def _seconds(self) -> list[float]:
        return [self.step * k for k in range(int(self.horizon / self.step) + 1)]
