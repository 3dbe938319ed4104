"""The Grafana dashboard and the operator's rule object, made from what is written once. Pure.

Owns which panels there are. `python -m podferry.cli.generate` writes both files into
cluster-setup/monitoring; tests compare their metrics with those of the code.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parents[2] / "cluster-setup" / "monitoring"
Object = dict[str, Any]
WIDTH, HEIGHT, COLUMNS = 8, 8, 3
_NODE = '{node=~"$node"}'
_RATE = "[$__rate_interval]"


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph: title, unit as Grafana names it, and (legend, PromQL) pairs."""

    title: str
    unit: str
    lines: tuple[tuple[str, str], ...]
    about: str = ""


def quantiles(metric: str, by: str = "") -> tuple[tuple[str, str], ...]:
    """Median and 95th percentile of a histogram, for each value of the label `by`."""
    labels, name = (f"le, {by}", f" {{{{{by}}}}}") if by else ("le", "")
    return tuple(
        (
            f"p{share * 100:.0f}{name}",
            f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{_RATE})))",
        )
        for share in (0.5, 0.95)
    )


ROWS: dict[str, tuple[Panel, ...]] = {
    "Memory of the nodes": (
        Panel(
            "Until kubelet evicts",
            "s",
            (("{{node}}", f"min by (node) (podferry_node_memory_exhausted_in_seconds{_NODE})"),),
            "At the pace of the last two minutes. No line: not foreseen.",
        ),
        Panel(
            "Above kubelet's threshold",
            "bytes",
            (
                (
                    "{{node}}",
                    f"max by (node) (podferry_node_memory_available_bytes{_NODE})"
                    f" - max by (node) (podferry_node_memory_eviction_threshold_bytes{_NODE})",
                ),
            ),
            "memory.available as kubelet computes it, less its hard eviction threshold.",
        ),
        Panel(
            "Available and threshold, as the agents measure",
            "bytes",
            (
                ("available {{node}}", "podferry_agent_memory_available_bytes"),
                ("{{kind}} threshold {{node}}", "podferry_agent_memory_eviction_threshold_bytes"),
            ),
        ),
        Panel(
            "Age of the last report",
            "s",
            (("{{node}}", f"max by (node) (podferry_node_memory_report_age_seconds{_NODE})"),),
            "A node with an old report is unknown: nothing disruptive is decided about it.",
        ),
        Panel(
            "Reports",
            "reqps",
            (("{{outcome}}", f"sum by (outcome) (rate(podferry_memory_reports_total{_RATE}))"),),
            "Accepted, or why they are not believed.",
        ),
        Panel(
            "Samples of the agents",
            "ops",
            (
                ("samples", f"sum(rate(podferry_agent_memory_samples_total{_RATE}))"),
                (
                    "error {{reason}}",
                    f"sum by (reason) (rate(podferry_agent_memory_sample_errors_total{_RATE}))",
                ),
                ("oldest sample [s]", "max(podferry_agent_memory_sample_age_seconds)"),
            ),
        ),
    ),
    "Rescues": (
        Panel(
            "Nodes by state",
            "short",
            (("{{policy}} {{state}}", "max by (policy, state) (podferry_rescue_nodes) > 0"),),
        ),
        Panel(
            "Decisions",
            "ops",
            (
                (
                    "{{policy}} {{action}}",
                    f"sum by (policy, action) (rate(podferry_rescue_decisions_total{_RATE}))",
                ),
            ),
        ),
        Panel("A look takes", "s", quantiles("podferry_rescue_look_seconds")),
        Panel(
            "From a report to the Migration",
            "s",
            quantiles("podferry_rescue_report_to_migration_seconds"),
        ),
        Panel(
            "Moves that the model rests on",
            "short",
            (("moves", "max(podferry_rescue_model_moves)"),),
            "Below 5 of a kind, figures of our own benchmarks stand in.",
        ),
        Panel(
            "Age of the newest of them",
            "s",
            (("age", "max(podferry_rescue_model_age_seconds)"),),
        ),
        Panel(
            "Refused by the API server",
            "ops",
            (("{{reason}}", f"sum by (reason) (rate(podferry_rescue_refused_total{_RATE}))"),),
            "Migrations and evictions that a rescue asked for.",
        ),
        Panel(
            "Sampling costs",
            "percentunit",
            (("{{node}}", f"rate(podferry_agent_memory_sample_cpu_seconds_total{_RATE})"),),
            "Share of one core, by agent.",
        ),
    ),
    "Moves": (
        Panel(
            "Going on and frozen",
            "short",
            (
                ("going on", "max(podferry_migrations_active)"),
                ("frozen sources", "sum(podferry_agent_frozen_sources)"),
            ),
        ),
        Panel(
            "Ended in the last hour",
            "short",
            (("{{result}}", "sum by (result) (increase(podferry_migrations_total[1h]))"),),
        ),
        Panel("Freeze", "s", quantiles("podferry_migration_freeze_seconds", "copy")),
        Panel(
            "From the request to the end",
            "s",
            quantiles("podferry_migration_total_seconds", "result"),
        ),
        Panel(
            "Freezes over their predicted 95th percentile",
            "percentunit",
            (
                (
                    "over",
                    'sum(increase(podferry_migration_predictions_total{outcome="over"}[6h]))'
                    " / sum(increase(podferry_migration_predictions_total[6h]))",
                ),
            ),
            "5 % would be right.",
        ),
        Panel(
            "Transferred by the agents",
            "Bps",
            (
                (
                    "{{kind}} {{way}}",
                    f"sum by (kind, way) (rate(podferry_agent_transferred_bytes_total{_RATE}))",
                ),
            ),
        ),
    ),
    "Parts of podferry": (
        Panel("Leaders", "short", (("leaders", "sum(podferry_leader)"),), "One, always."),
        Panel(
            "Age of the agents' last answer",
            "s",
            (("{{node}}", f"max by (node) (podferry_agent_answer_age_seconds{_NODE})"),),
            "-1: it never answered.",
        ),
        Panel("A reconcile takes", "s", quantiles("podferry_reconcile_seconds")),
        Panel(
            "Errors",
            "ops",
            (
                (
                    "reconcile {{reason}}",
                    f"sum by (reason) (rate(podferry_reconcile_errors_total{_RATE}))",
                ),
                (
                    "refused by agents {{reason}}",
                    f"sum by (reason) (rate(podferry_agent_refused_total{_RATE}))",
                ),
            ),
        ),
        Panel(
            "Pods seen by the webhook",
            "ops",
            (("{{verdict}}", f"sum by (verdict) (rate(podferry_admission_total{_RATE}))"),),
        ),
        Panel(
            "Certificates end in",
            "s",
            (
                (
                    "{{name}}",
                    "min by (name) (podferry_certificate_expiry_timestamp_seconds) - time()",
                ),
            ),
        ),
    ),
}


def expressions() -> list[str]:
    """All PromQL of the dashboard, its own variables included."""
    return [promql for row in ROWS.values() for panel in row for _, promql in panel.lines]


def render() -> str:
    """Return the dashboard as JSON."""
    board = {
        "title": "podferry",
        "uid": "podferry",
        "tags": ["podferry"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_source_variable(), _node_variable()]},
        "panels": _panels(),
    }
    return json.dumps(board, indent=1) + "\n"


def rule_object() -> str:
    """Return podferry.rules.yaml as an object of the Prometheus operator."""
    rules = yaml.safe_load((FOLDER / "podferry.rules.yaml").read_text())
    made = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "podferry", "namespace": "podferry-system"},
        "spec": rules,
    }
    head = "# Generated from podferry.rules.yaml by `make generate`; do not edit.\n"
    return head + yaml.safe_dump(made, sort_keys=False, width=100)


def _panels() -> list[Object]:
    found: list[Object] = []
    top = 0
    for title, panels in ROWS.items():
        place = {"x": 0, "y": top, "w": WIDTH * COLUMNS, "h": 1}
        row = {"id": len(found) + 1, "type": "row", "title": title, "gridPos": place}
        found.append({**row, "collapsed": False, "panels": []})
        for number, panel in enumerate(panels):
            line, column = divmod(number, COLUMNS)
            place = {"x": column * WIDTH, "y": top + 1 + line * HEIGHT, "w": WIDTH, "h": HEIGHT}
            found.append(_panel(panel, len(found) + 1, place))
        top += 1 + -(-len(panels) // COLUMNS) * HEIGHT
    return found


def _panel(panel: Panel, number: int, place: Object) -> Object:
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": source,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {"refId": chr(ord("A") + at), "datasource": source, "expr": promql,
             "legendFormat": legend}
            for at, (legend, promql) in enumerate(panel.lines)
        ],
    }  # fmt: skip


def _source_variable() -> Object:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Source"}


def _node_variable() -> Object:
    query = "label_values(podferry_agent_answer_age_seconds, node)"
    return {
        "name": "node",
        "label": "Node",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": {"query": query, "refId": "nodes"},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }
