"""Prometheus metrics of rescues. Owns their names and label sets; never decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from podferry.api.rescue_policy import NodeState, RescuePolicy, RescuePolicyStatus
from podferry.controller.core.rescue.look import Outcome

LOOK_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
DELAY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30)


class RescueMetrics:
    """Counters and gauges of one process, in the registry of `Metrics`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.reports = Counter(
            "podferry_memory_reports_total",
            "Reports of agents by whether they count: accepted, or why not.",
            ("outcome",),
            registry=registry,
        )
        self.nodes = Gauge(
            "podferry_rescue_nodes",
            "Nodes that a RescuePolicy selects, by state.",
            ("policy", "state"),
            registry=registry,
        )
        self.decisions = Counter(
            "podferry_rescue_decisions_total",
            "Decisions about overloaded nodes, one a look.",
            ("policy", "mode", "action"),
            registry=registry,
        )
        self.refused = Counter(
            "podferry_rescue_refused_total",
            "Migrations and evictions that the API server did not take, by reason.",
            ("reason",),
            registry=registry,
        )
        self.look_seconds = Histogram(
            "podferry_rescue_look_seconds",
            "One round over all policies that are due [s].",
            buckets=LOOK_BUCKETS,
            registry=registry,
        )
        self.report_to_migration = Histogram(
            "podferry_rescue_report_to_migration_seconds",
            "From the newest sample of a node to the Migration that relieves it [s].",
            buckets=DELAY_BUCKETS,
            registry=registry,
        )
        self.model_moves = Gauge(
            "podferry_rescue_model_moves",
            "Measured moves that the model of freeze times rests on.",
            registry=registry,
        )
        self.model_age = Gauge(
            "podferry_rescue_model_age_seconds",
            "Since the newest of them ended; NaN: none was measured.",
            registry=registry,
        )
        self._shown: set[str] = set()

    def watch_model(self, model: Callable[[], tuple[int, float | None]]) -> None:
        """Ask for the moves behind the model and the age of the newest when metrics are read."""

        def age() -> float:
            seconds = model()[1]
            return float("nan") if seconds is None else seconds

        self.model_moves.set_function(lambda: model()[0])
        self.model_age.set_function(age)

    def keep(self, policies: set[str]) -> None:
        """Show no state of nodes of any other policy: it is gone."""
        for name in self._shown - policies:
            for state in NodeState:
                self.nodes.remove(name, state.value)
        self._shown &= policies

    def looked(
        self, policy: RescuePolicy, status: RescuePolicyStatus, outcomes: Iterable[Outcome]
    ) -> None:
        """Count what one look of a policy found."""
        counts = dict.fromkeys(NodeState, 0)
        for node in status.nodes:
            counts[node.state] += 1
        # A status shows so many nodes only, the unknown ones last.
        counts[NodeState.UNKNOWN] = max(counts[NodeState.UNKNOWN], status.nodes_unknown)
        self._shown.add(policy.name)
        shown = sum(counts.values()) - counts[NodeState.FINE]
        counts[NodeState.FINE] = max(0, status.nodes_selected - shown)
        for state, count in counts.items():
            self.nodes.labels(policy.name, state.value).set(count)
        for one in outcomes:
            self.decisions.labels(policy.name, policy.spec.mode.value, one.action.value).inc()
