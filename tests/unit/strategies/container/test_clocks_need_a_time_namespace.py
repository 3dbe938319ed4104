"""Nodes were started at different times; only a time namespace lets a program's clock go on."""

from __future__ import annotations

from podferry.api.reasons import Reason
from podferry.strategies.container import preflight
from tests.unit.strategies.container.samples import facts, node, pod


def test_a_target_without_them_is_refused_with_what_would_happen() -> None:
    target = node("node-b", facts=facts(timeNamespaces=False))
    (finding,) = preflight.check_target(pod(), node("node-a"), target)
    assert finding.reason is Reason.NODE_NOT_CAPABLE
    assert "node-b has no time namespaces" in finding.message
    assert "timers" in finding.message


def test_a_target_that_has_them_or_does_not_say_and_a_source_without_them_pass() -> None:
    for told in (facts(timeNamespaces=True), facts()):
        source = node("node-a", facts=facts(timeNamespaces=False))
        assert preflight.check_target(pod(), source, node("node-b", facts=told)) == []
