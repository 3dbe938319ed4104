"""What is known of each node's memory as Prometheus gauges, made when they are asked for.

Owns their names. A node that the controller does not watch has none; no time to exhaustion means
that none is foreseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from podferry.api.clock import Clock
from podferry.controller.core.rescue.forecast import forecast
from podferry.controller.core.rescue.history import NodeHistory
from podferry.controller.core.rescue.reports import Believed
from podferry.policies.vocabulary import Node, Series

Watched = Mapping[str, tuple[Believed | None, NodeHistory | None]]


class MemoryGauges(Collector):
    """Collects from `watched`: by node, the last report that counts and the samples."""

    def __init__(self, watched: Callable[[], Watched], clock: Clock) -> None:
        self._watched, self._clock = watched, clock

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return the names without reading anything."""
        return self._families()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return what is known at this moment."""
        available, threshold, exhausted, age = families = self._families()
        now = self._clock.monotonic()
        for name, (believed, history) in self._watched().items():
            if believed is None:
                age.add_metric([name], float("inf"))
                continue
            report = believed.report
            age.add_metric([name], now - believed.at)
            available.add_metric([name], report.available)
            threshold.add_metric([name], report.eviction)
            node = Node(
                name=name,
                capacity=report.capacity,
                used=report.capacity - report.available,
                history=history.node.series() if history else Series(),
                eviction=report.eviction,
            )
            left = forecast(node).exhausted_in
            if left is not None:
                exhausted.add_metric([name], left)
        return families

    def _families(self) -> tuple[GaugeMetricFamily, ...]:
        return tuple(
            GaugeMetricFamily(name, text, labels=["node"])
            for name, text in (
                (
                    "podferry_node_memory_available_bytes",
                    "memory.available of a node as its agent told last, as kubelet computes it.",
                ),
                (
                    "podferry_node_memory_eviction_threshold_bytes",
                    "memory.available below which kubelet evicts at once.",
                ),
                (
                    "podferry_node_memory_exhausted_in_seconds",
                    "Until kubelet begins to evict, at the pace of two minutes; absent: not "
                    "foreseen.",
                ),
                (
                    "podferry_node_memory_report_age_seconds",
                    "Since the newest sample that counts was taken; +Inf: none yet.",
                ),
            )
        )
