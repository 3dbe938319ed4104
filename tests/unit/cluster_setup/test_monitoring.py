"""Alerts and dashboard name only metrics that exist, and each alert says what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY, CollectorRegistry

from podferry.agent import metrics as agent_metrics
from podferry.agent.memory import gauges
from podferry.api.clock import FakeClock
from podferry.cli import dashboard
from podferry.controller.runtime.memory_gauges import MemoryGauges
from podferry.controller.runtime.metrics import Metrics
from podferry.controller.runtime.rescue_metrics import RescueMetrics

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "cluster-setup" / "monitoring"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
METRIC = re.compile(r"(?<![\w:])podferry_[a-z0-9_]+")
Object = dict[str, Any]


def exported(registry: CollectorRegistry) -> set[str]:
    """Names of all series that a process of ours can serve."""
    return {
        family.name + suffix
        for family in registry.collect()
        for suffix in SUFFIXES.get(family.type, ())
        if family.name.startswith("podferry_")
    }


def known() -> set[str]:
    metrics = Metrics()
    RescueMetrics(metrics.registry)
    metrics.registry.register(MemoryGauges(dict, FakeClock()))
    # Those of the agent are in the default registry once their modules are there.
    assert agent_metrics.frozen
    assert gauges.available
    return exported(metrics.registry) | exported(REGISTRY)


def rules() -> list[Object]:
    groups = yaml.safe_load((FOLDER / "podferry.rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[Object]:
    return [rule for rule in rules() if "alert" in rule]


def board() -> Object:
    found: Object = json.loads((FOLDER / "dashboard.json").read_text())
    return found


def test_every_metric_of_the_alerts_exists() -> None:
    named = {name for rule in rules() for name in METRIC.findall(json.dumps(rule))}
    assert len(named) > 10
    assert named <= known()


def test_every_metric_of_the_dashboard_exists() -> None:
    named = set(METRIC.findall(json.dumps(board())))
    assert len(named) > 20
    assert named <= known()


def test_every_alert_says_how_bad_it_is_what_it_means_and_what_to_do() -> None:
    page = (ROOT / "docs" / "how-to" / "monitor.md").read_text()
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description"}
        assert f"| `{rule['alert']}` |" in page


def test_every_alert_has_a_unit_test_in_which_it_fires() -> None:
    tests = yaml.safe_load((FOLDER / "podferry.rules.test.yaml").read_text())["tests"]
    fired = {
        case["alertname"]
        for test in tests
        for case in test.get("alert_rule_test", ())
        if case.get("exp_alerts")
    }
    assert fired == {rule["alert"] for rule in alerts()}


def test_the_operator_s_object_holds_the_same_rules() -> None:
    made = yaml.safe_load((FOLDER / "prometheusrule.yaml").read_text())
    assert made["kind"] == "PrometheusRule"
    assert made["spec"] == yaml.safe_load((FOLDER / "podferry.rules.yaml").read_text())


def test_panels_neither_overlap_nor_share_an_id() -> None:
    panels = board()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    assert max(x for x, _ in taken) < 24


def test_the_scrape_example_and_the_monitors_find_pods_and_port_of_the_manifests() -> None:
    monitors = list(yaml.safe_load_all((FOLDER / "podmonitors.yaml").read_text()))
    jobs = yaml.safe_load((FOLDER / "scrape-config.yaml").read_text())["scrape_configs"]
    for name, kind in (("podferry-controller", "deployment"), ("podferry-agent", "daemonset")):
        part = name.removeprefix("podferry-")
        path = ROOT / "cluster-setup" / "base" / part / f"{kind}.yaml"
        template = yaml.safe_load(path.read_text())["spec"]["template"]
        ports = [port["name"] for port in template["spec"]["containers"][0]["ports"]]
        assert "metrics" in ports
        (monitor,) = [one for one in monitors if one["metadata"]["name"] == name]
        assert monitor["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
        assert monitor["spec"]["podMetricsEndpoints"][0]["port"] == "metrics"
        (job,) = [one for one in jobs if one["job_name"] == name]
        assert name in [relabel.get("regex") for relabel in job["relabel_configs"]]


@pytest.mark.parametrize("panel", [one for row in dashboard.ROWS.values() for one in row])
def test_a_panel_that_asks_for_a_node_asks_for_the_chosen_ones(panel: dashboard.Panel) -> None:
    for legend, promql in panel.lines:
        if legend == "{{node}}" and "podferry_agent_memory" not in promql:
            assert "$node" in promql
