"""Prometheus metrics of the controller. Owns names and label sets; never decides.

One registry a process (passed in), so that tests do not share counters.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from podferry.api.migration import Decision, Migration
from podferry.api.reasons import TERMINAL, Phase

FREEZE_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 45, 90)
TOTAL_BUCKETS = (1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600)
STEP_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counters and gauges of one process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.migrations = Counter(
            "podferry_migrations_total",
            "Migrations that reached their end, by strategy, result (phase) and reason.",
            ("strategy", "result", "reason"),
            registry=self.registry,
        )
        self.freeze = Histogram(
            "podferry_migration_freeze_seconds",
            "Time in which no copy of the workload ran [s].",
            ("strategy", "copy"),
            buckets=FREEZE_BUCKETS,
            registry=self.registry,
        )
        self.total = Histogram(
            "podferry_migration_total_seconds",
            "From the request to the end [s].",
            ("strategy", "result"),
            buckets=TOTAL_BUCKETS,
            registry=self.registry,
        )
        self.phase = Histogram(
            "podferry_migration_phase_seconds",
            "How long one step of a move took [s].",
            ("phase",),
            buckets=TOTAL_BUCKETS,
            registry=self.registry,
        )
        self.predictions = Counter(
            "podferry_migration_predictions_total",
            "Freezes beside the 95th percentile predicted for them: within it, or over it.",
            ("outcome",),
            registry=self.registry,
        )
        self._init_process()

    def _init_process(self) -> None:
        """What is about this process and not about one Migration."""
        self.reconcile = Histogram(
            "podferry_reconcile_seconds",
            "One reconcile without the time that agents worked [s].",
            buckets=STEP_BUCKETS,
            registry=self.registry,
        )
        self.reconcile_errors = Counter(
            "podferry_reconcile_errors_total",
            "Reconciles that ended in an error, by reason.",
            ("reason",),
            registry=self.registry,
        )
        self.active = Gauge(
            "podferry_migrations_active",
            "Migrations that have not reached their end.",
            registry=self.registry,
        )
        self.leader = Gauge(
            "podferry_leader", "1 on the replica that leads.", registry=self.registry
        )
        self.reflector_restarts = Gauge(
            "podferry_reflector_restarts",
            "Watches that ended since the start, for whatever reason.",
            ("kind",),
            registry=self.registry,
        )
        self.agent_age = Gauge(
            "podferry_agent_answer_age_seconds",
            "Seconds since the agent of a node last answered; -1: never.",
            ("node",),
            registry=self.registry,
        )
        self.facts_errors = Counter(
            "podferry_node_facts_write_errors_total",
            "Failed writes of the ConfigMap podferry-nodes, by reason.",
            ("reason",),
            registry=self.registry,
        )
        self.moves_errors = Counter(
            "podferry_move_records_errors_total",
            "Failed reads and writes of the ConfigMap podferry-moves, by reason.",
            ("reason",),
            registry=self.registry,
        )
        self.admissions = Counter(
            "podferry_admission_total",
            "Pods, evictions of opted-in pods and RescuePolicies seen by the webhook, by verdict.",
            ("verdict",),
            registry=self.registry,
        )
        self.certificate_expiry = Gauge(
            "podferry_certificate_expiry_timestamp_seconds",
            "When a certificate of podferry expires (unix seconds).",
            ("name",),
            registry=self.registry,
        )

    def ended(self, migration: Migration) -> None:
        """Count a Migration whose terminal status was written just now."""
        status = migration.status
        strategy = status.strategy or migration.spec.strategy.value
        reason = _reason_of(migration)
        self.migrations.labels(strategy, status.phase, reason).inc()
        measured = status.measured
        if measured is None:
            return
        if measured.total_seconds > 0:
            self.total.labels(strategy, status.phase).observe(measured.total_seconds)
        if status.decision is Decision.COMMITTED and measured.freeze_seconds > 0:
            self.freeze.labels(strategy, status.copy).observe(measured.freeze_seconds)
            if status.prediction is not None:
                over = measured.freeze_seconds > status.prediction.freeze_p95_seconds
                self.predictions.labels("over" if over else "within").inc()
        steps = {
            "Prepare": measured.prepare_seconds,
            "Dump": measured.dump_seconds,
            "Restore": measured.restore_seconds,
            **{step.name: step.seconds for step in measured.phases},
        }
        for name, seconds in steps.items():
            if seconds > 0:
                self.phase.labels(name).observe(seconds)

    def render(self) -> bytes:
        """Return the metrics in the text format."""
        return generate_latest(self.registry)


def is_terminal(migration: Migration) -> bool:
    """Whether the Migration reached its end."""
    try:
        return Phase(migration.status.phase) in TERMINAL
    except ValueError:
        return False


def _reason_of(migration: Migration) -> str:
    for condition in migration.status.conditions:
        if condition.type == "Succeeded":
            return condition.reason
    return migration.status.decision_reason or migration.status.phase
