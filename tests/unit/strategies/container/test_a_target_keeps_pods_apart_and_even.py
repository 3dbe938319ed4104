"""Required (anti-)affinity and topology spread hold at the target as they will be then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podferry.api.reasons import Reason as R
from podferry.controller.core.view import NodeView
from podferry.strategies.container import preflight
from podferry.strategies.container.spread_checks import check_spread
from tests.unit.strategies.container.samples import node

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
WEB = {"matchLabels": {"app": "web"}}


def zoned(**zones: str) -> dict[str, NodeView]:
    """Nodes by name, each in its zone."""
    found = {}
    for name, zone in zones.items():
        it = node(name)
        labels = {**it.labels, HOST: name, **({ZONE: zone} if zone else {})}
        found[name] = replace(it, labels=labels)
    return found


def web(name: str, where: str, *, app: str = "web", phase: str = "Running", **spec: Any) -> Any:
    return {"metadata": {"name": name, "namespace": "shop", "uid": name, "labels": {"app": app}},
            "spec": {"nodeName": where, **spec}, "status": {"phase": phase}}  # fmt: skip


def affinity(kind: str, key: str, selector: Any = WEB, **more: Any) -> dict[str, Any]:
    term = {"topologyKey": key, "labelSelector": selector, **more}
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def rule(most: int = 1, key: str = ZONE, **more: Any) -> dict[str, Any]:
    return {"topologySpreadConstraints": [{"topologyKey": key, "maxSkew": most,
            "whenUnsatisfiable": "DoNotSchedule", "labelSelector": WEB, **more}]}  # fmt: skip


def against(source: Any, *others: Any, keeps: bool = False, target: str = "b", **zones: str) -> str:
    """What stands against node b for a source on node a."""
    nodes = zoned(**(zones or {"a": "z1", "b": "z2"}))
    pods = {one["metadata"]["name"]: one for one in (source, *others)}
    found = list(check_spread(source, nodes[target], nodes=nodes, pods=pods, same_name=keeps))
    assert {finding.reason for finding in found} <= {R.TARGET_UNSCHEDULABLE}
    return "; ".join(finding.message for finding in found)


APART = affinity("podAntiAffinity", HOST)
APART_IN_ZONES = affinity("podAntiAffinity", ZONE)


def test_a_pod_without_wishes_goes_anywhere() -> None:
    assert against(web("me", "a"), web("other", "b")) == ""


def test_another_node_is_apart_from_the_source_itself() -> None:
    assert against(web("me", "a", **APART)) == ""


def test_a_replacement_cannot_be_in_the_zone_of_its_own_source() -> None:
    said = against(web("me", "a", **APART_IN_ZONES), a="z1", b="z1")
    for word in ("node b", "zone (z1)", "the source itself", "choose a node with another"):
        assert word in said
    assert against(web("me", "a", **APART_IN_ZONES)) == ""


def test_a_pod_that_keeps_its_name_is_placed_when_its_source_is_gone() -> None:
    assert against(web("me", "a", **APART_IN_ZONES), keeps=True, a="z1", b="z1") == ""


def test_a_neighbour_that_keeps_apart_counts_whoever_says_so() -> None:
    other = web("other", "c", **APART_IN_ZONES)
    zones = {"a": "z1", "b": "z2", "c": "z2"}
    assert "shop/other" in against(web("me", "a", **APART_IN_ZONES), other, keeps=True, **zones)
    assert "of pod shop/other keeps" in against(web("me", "a"), other, keeps=True, **zones)
    assert against(web("me", "a"), {**other, "status": {"phase": "Failed"}}, **zones) == ""
    assert against(web("me", "a", app="db"), other, **zones) == ""


def test_terms_of_other_namespaces_are_left_to_the_scheduler() -> None:
    far = affinity("podAntiAffinity", ZONE, namespaces=["else"])
    assert against(web("me", "a", **far), a="z1", b="z1") == ""


def test_a_pod_stays_beside_what_it_asks_for() -> None:
    db = {"matchLabels": {"app": "db"}}
    source = web("me", "a", **affinity("podAffinity", ZONE, db))
    assert against(source, web("db", "b", app="db")) == ""
    assert "no pod that the required podAffinity" in against(source, web("db", "a", app="db"))
    alone = web("me", "a", **affinity("podAffinity", ZONE))
    assert against(alone, keeps=True) == ""
    assert "podAffinity" in against(alone)


@pytest.mark.parametrize(("others", "most", "fits"), [("", 1, True), ("b", 1, False),
                         ("b", 2, True), ("ab", 1, True), ("bb", 2, False)])  # fmt: skip
@pytest.mark.parametrize("keeps", [True, False])
def test_the_spread_is_counted_without_the_source(
    others: str, most: int, fits: bool, keeps: bool
) -> None:
    beside = [web(f"w{n}", where) for n, where in enumerate(others)]
    said = against(web("me", "a", **rule(most)), *beside, keeps=keeps)
    assert (said == "") is fits
    if not fits:
        assert f"more than maxSkew {most}" in said


def test_a_node_outside_the_domains_is_refused_and_soft_rules_are_wishes() -> None:
    assert f"lacks the label {ZONE}" in against(web("me", "a", **rule()), a="z1", b="")
    soft = rule(whenUnsatisfiable="ScheduleAnyway")
    assert against(web("me", "a", **soft), web("w1", "b"), web("w2", "b")) == ""


def test_only_domains_that_the_pod_may_go_to_are_counted() -> None:
    only = {**rule(), "nodeSelector": {HOST: "b"}}
    assert against(web("me", "a", **only), web("w1", "b")) == ""
    all_nodes = {**rule(nodeAffinityPolicy="Ignore"), "nodeSelector": {HOST: "b"}}
    assert "maxSkew" in against(web("me", "a", **all_nodes), web("w1", "b"))


def test_a_node_that_keeps_the_spread_is_chosen_before_a_bigger_one() -> None:
    source = web("me", "a", **rule(), containers=[])
    nodes = zoned(a="z1", b="z2", c="z3")
    nodes["b"] = replace(nodes["b"], allocatable_bytes=1 << 45)
    pods = {one["metadata"]["name"]: one for one in (source, web("w1", "b"))}
    chosen, _ = preflight.choose_target(
        pod=source, source=nodes["a"], nodes=nodes, selector=None, pods=pods
    )
    assert chosen is not None
    assert chosen.name == "c"
