"""Without a named target the eligible node with the most headroom is taken."""

from __future__ import annotations

from podferry.api.reasons import Reason
from podferry.controller.core.view import NodeView
from podferry.strategies.container.preflight import choose_target
from tests.unit.strategies.container.samples import GIB, node, pod

SOURCE = node("node-a", requested_bytes=0)


def _nodes(*others: NodeView) -> dict[str, NodeView]:
    return {one.name: one for one in (SOURCE, *others)}


def test_the_most_headroom_by_requests_wins_and_never_the_source() -> None:
    nodes = _nodes(node("node-b"), node("node-c", requested_bytes=GIB // 2), node("node-d"))
    chosen, findings = choose_target(pod=pod(), source=SOURCE, nodes=nodes, selector=None)
    assert chosen is nodes["node-c"]
    assert findings == []


def test_an_emptier_node_that_is_not_eligible_is_passed_over() -> None:
    nodes = _nodes(node("node-b"), node("node-c", requested_bytes=0, cordoned=True))
    chosen, _ = choose_target(pod=pod(), source=SOURCE, nodes=nodes, selector={})
    assert chosen is nodes["node-b"]


def test_equal_nodes_are_taken_by_name_so_that_a_repeat_answers_the_same() -> None:
    nodes = _nodes(node("node-c"), node("node-b"))
    chosen, _ = choose_target(pod=pod(), source=SOURCE, nodes=nodes, selector=None)
    assert chosen is nodes["node-b"]


def test_only_nodes_with_the_labels_of_the_selector_are_taken() -> None:
    nodes = _nodes(
        node("node-b", requested_bytes=0),
        node("node-c", labels={"kubernetes.io/arch": "amd64", "disk": "ssd"}),
    )
    chosen, _ = choose_target(pod=pod(), source=SOURCE, nodes=nodes, selector={"disk": "ssd"})
    assert chosen is nodes["node-c"]


def test_no_eligible_node_is_refused_with_the_reason_of_each() -> None:
    nodes = _nodes(node("node-b", cordoned=True), node("node-c", facts=None))
    chosen, (finding,) = choose_target(pod=pod(), source=SOURCE, nodes=nodes, selector=None)
    assert chosen is None
    assert finding.reason is Reason.NO_ELIGIBLE_TARGET
    assert "none of 2 nodes can take pod shop/counter-abc" in finding.message
    assert "node-b: target node node-b is cordoned" in finding.message
    assert "node-c: no agent answers" in finding.message


def test_many_refusals_are_shortened_and_counted() -> None:
    nodes = _nodes(*(node(f"node-{n:02}", cordoned=True) for n in range(11)))
    _, (finding,) = choose_target(pod=pod(), source=SOURCE, nodes=nodes, selector=None)
    assert "none of 11 nodes" in finding.message
    assert finding.message.endswith("and 3 more")


def test_a_selector_that_no_other_node_meets_is_named() -> None:
    _, (finding,) = choose_target(
        pod=pod(), source=SOURCE, nodes=_nodes(node("node-b")), selector={"disk": "ssd"}
    )
    assert "disk=ssd" in finding.message
    assert "correct targetSelector" in finding.message


def test_a_cluster_of_one_node_says_so() -> None:
    _, (finding,) = choose_target(pod=pod(), source=SOURCE, nodes=_nodes(), selector=None)
    assert "no node but node-a; add a node" in finding.message
