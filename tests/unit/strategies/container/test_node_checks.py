"""Each thing that makes a node no source or no target is found, with its numbers."""

from __future__ import annotations

from typing import Any

import pytest

from podferry.api.reasons import Reason
from podferry.strategies.container import preflight
from tests.unit.strategies.container.samples import GIB, facts, node, pod

R = Reason
SOURCE = node("node-a")
TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}

TARGETS: dict[str, tuple[dict[str, Any], Reason, list[str]]] = {
    "not ready": ({"ready": False}, R.TARGET_NOT_READY, ["not ready", "kubectl describe"]),
    "cordoned": ({"cordoned": True}, R.TARGET_CORDONED, ["kubectl uncordon node-b"]),
    "cordoned and its taint": (
        {"cordoned": True, "taints": (
            {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},)},
        R.TARGET_CORDONED, ["cordoned"],
    ),
    "taint": ({"taints": (TAINT,)}, R.TARGET_TAINTED, ["dedicated=db:NoSchedule"]),
    "taint that evicts": (
        {"taints": ({"key": "gone", "effect": "NoExecute"},)}, R.TARGET_TAINTED,
        ["gone:NoExecute"],
    ),
    "no agent": ({"facts": None}, R.AGENT_MISSING, ["no agent answers", "podferry-system"]),
    "older criu": (
        {"facts": facts(criuVersion="3.19")}, R.OLDER_RUNTIME, ["criu is 3.19", "4.2.1", "upgrade"],
    ),
    "unknown criu": ({"facts": facts(criuVersion="")}, R.OLDER_RUNTIME, ["criu is unknown"]),
    "older runc": (
        {"facts": facts(runcVersion="1.3.5")}, R.OLDER_RUNTIME, ["runc is 1.3.5", "1.3.6"],
    ),
    "two digits are more than one": (
        {"facts": facts(runcVersion="1.2.10")}, R.OLDER_RUNTIME, ["1.2.10"],
    ),
    "no avx": (
        {"facts": facts(cpuFeatures=["sse4_2"])}, R.MISSING_CPU_FEATURES,
        ["lacks 2 features", "(avx, avx2)"],
    ),
    "architecture": (
        {"labels": {"kubernetes.io/arch": "arm64"}, "facts": facts(cpuFeatures=[])},
        R.NODE_NOT_CAPABLE, ["arm64", "choose a target of amd64"],
    ),
    "cgroup": ({"facts": facts(cgroup="v1")}, R.NODE_NOT_CAPABLE, ["cgroup v1", "cgroup v2"]),
    "no handler": (
        {"facts": facts(handlerInstalled=False)}, R.NODE_NOT_CAPABLE, ["podferry-runc", "install"],
    ),
    "no handler, said twice": (
        {"facts": facts(handlerInstalled=False, problems=["/opt/podferry-runc is missing"])},
        R.NODE_NOT_CAPABLE, ["/opt/podferry-runc is missing"],
    ),
    "problem": (
        {"facts": facts(problems=["criu has no gnutls"])}, R.NODE_NOT_CAPABLE,
        ["target node node-b: criu has no gnutls"],
    ),
    "cannot freeze in restore": (
        {"facts": facts(freezeInRestore=False)}, R.NODE_NOT_CAPABLE, ["cannot freeze"],
    ),
    "full": (
        {"requested_bytes": 4 * GIB - 2**20}, R.TARGET_UNSCHEDULABLE,
        ["requests 512 MiB", "1 MiB left", "4095 of 4096 MiB", "free 511 MiB"],
    ),
    "overbooked": ({"requested_bytes": 5 * GIB}, R.TARGET_UNSCHEDULABLE, ["0 MiB left"]),
}  # fmt: skip


@pytest.mark.parametrize("case", TARGETS)
def test_each_obstacle_of_a_target_is_the_only_finding(case: str) -> None:
    fields, reason, words = TARGETS[case]
    found = preflight.check_target(pod(), SOURCE, node("node-b", **fields))
    assert [finding.reason for finding in found] == [reason]
    for word in [*words, "node-b"]:
        assert word in found[0].message


def test_a_capable_node_is_a_target() -> None:
    assert preflight.check_target(pod(), SOURCE, node("node-b")) == []


def test_a_newer_and_richer_node_is_a_target() -> None:
    newer = facts(
        criuVersion="4.10", runcVersion="1.10.0", cpuFeatures=["avx", "avx2", "sse4_2", "x"]
    )
    assert preflight.check_target(pod(), SOURCE, node("node-b", facts=newer)) == []


def test_the_source_is_no_target() -> None:
    found = preflight.check_target(pod(), SOURCE, SOURCE)
    assert [finding.reason for finding in found] == [R.TARGET_IS_SOURCE]
    assert "already runs on node node-a" in found[0].message


def test_five_missing_cpu_features_are_shown_and_the_rest_counted() -> None:
    source = node("node-a", facts=facts(cpuFeatures=[f"f{n}" for n in range(8)]))
    (found,) = preflight.check_target(pod(), source, node("node-b", facts=facts(cpuFeatures=[])))
    assert "lacks 8 features" in found.message
    assert "(f0, f1, f2, f3, f4 and 3 more)" in found.message


@pytest.mark.parametrize(
    ("toleration", "is_tolerated"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "dedicated", "operator": "Exists"}, True),
        ({"key": "dedicated", "operator": "Equal", "value": "db", "effect": "NoSchedule"}, True),
        ({"key": "dedicated", "value": "db"}, True),
        ({"key": "dedicated", "value": "web"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"value": "db"}, False),
    ],
)
def test_a_taint_is_tolerated_as_the_scheduler_would(
    toleration: dict[str, str], is_tolerated: bool
) -> None:
    target = node("node-b", taints=(TAINT,))
    found = preflight.check_target(pod(tolerations=[toleration]), SOURCE, target)
    assert (found == []) is is_tolerated


def test_a_taint_that_only_discourages_is_no_obstacle() -> None:
    target = node("node-b", taints=({"key": "k", "effect": "PreferNoSchedule"},))
    assert preflight.check_target(pod(), SOURCE, target) == []


def test_a_node_selector_that_the_target_does_not_meet_is_named() -> None:
    (found,) = preflight.check_target(pod(nodeSelector={"disk": "ssd"}), SOURCE, node("node-b"))
    assert found.reason is R.TARGET_UNSCHEDULABLE
    assert "disk=ssd" in found.message


@pytest.mark.parametrize(
    ("expression", "is_met"),
    [
        ({"key": "n", "operator": "In", "values": ["3", "4"]}, True),
        ({"key": "n", "operator": "In", "values": ["4"]}, False),
        ({"key": "n", "operator": "NotIn", "values": ["4"]}, True),
        ({"key": "n", "operator": "Exists"}, True),
        ({"key": "n", "operator": "DoesNotExist"}, False),
        ({"key": "n", "operator": "Gt", "values": ["2"]}, True),
        ({"key": "n", "operator": "Lt", "values": ["2"]}, False),
        ({"key": "absent", "operator": "Gt", "values": ["2"]}, False),
    ],
)
def test_required_affinity_is_judged_as_the_scheduler_would(
    expression: dict[str, Any], is_met: bool
) -> None:
    key = "requiredDuringSchedulingIgnoredDuringExecution"
    terms = [{"matchExpressions": [expression]}]
    raw = pod(affinity={"nodeAffinity": {key: {"nodeSelectorTerms": terms}}})
    target = node("node-b", labels={"kubernetes.io/arch": "amd64", "n": "3"})
    assert (preflight.check_target(raw, SOURCE, target) == []) is is_met


def test_the_pin_of_an_earlier_move_does_not_bind_the_next_one() -> None:
    key = "requiredDuringSchedulingIgnoredDuringExecution"
    pin = {"key": "metadata.name", "operator": "In", "values": ["node-a"]}
    raw = pod(affinity={"nodeAffinity": {key: {"nodeSelectorTerms": [{"matchFields": [pin]}]}}})
    assert preflight.check_target(raw, SOURCE, node("node-b")) == []


def test_a_capable_source_may_give_even_when_cordoned_and_full() -> None:
    assert preflight.check_source(node("node-a", cordoned=True, requested_bytes=9 * GIB)) == []


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"facts": None}, R.AGENT_MISSING, "no agent answers on source node node-a"),
        ({"facts": facts(problems=["criu was not found"])}, R.NODE_NOT_CAPABLE, "criu was not"),
        ({"facts": facts(handlerInstalled=False)}, R.NODE_NOT_CAPABLE, "podferry-runc"),
        ({"ready": False}, R.NODE_NOT_CAPABLE, "source node node-a is not ready"),
    ],
)
def test_each_obstacle_of_a_source_is_found(
    fields: dict[str, Any], reason: Reason, words: str
) -> None:
    (found,) = preflight.check_source(node("node-a", **fields))
    assert found.reason is reason
    assert words in found.message
