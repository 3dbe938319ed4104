"""Whether a node can give a container away or take one. Pure; reads node views and pods only.

Owns the comparison of two nodes (runtime versions, processor, cgroups) and what the scheduler would
say of the target (taints, selectors, memory by requests), so that it is said before the freeze.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from podferry.api.quantity import parse_bytes
from podferry.api.reasons import Reason
from podferry.controller.core.view import NodeView
from podferry.strategies.container.finding import MIB, Finding, RawPod, app_containers, title

ARCHITECTURE = "kubernetes.io/arch"
_SELF_SAID = ("node.kubernetes.io/unschedulable", "node.kubernetes.io/not-ready",
              "node.kubernetes.io/unreachable")  # fmt: skip
"""Taints that only repeat `cordoned` and `not ready`, which have their own messages."""


def check_source(source: NodeView, *, post_copy: bool = False) -> list[Finding]:
    """Return what stands against taking a container off this node.

    Args:
        source: the node.
        post_copy: PostCopy was asked for, which needs more of it.
    """
    findings = list(_agent(source, "source"))
    if post_copy:
        findings += _userfaultfd(source, "source")
    if not source.ready:
        findings.append(
            Finding(
                Reason.NODE_NOT_CAPABLE,
                f"source node {source.name} is not ready: nothing there can be handed over in an"
                f" orderly way; see `kubectl describe node {source.name}`",
            )
        )
    return findings


def check_target(
    pod: RawPod, source: NodeView, target: NodeView, *, post_copy: bool = False
) -> list[Finding]:
    """Return what stands against this node as the target of this pod; empty if nothing.

    Args:
        pod: the raw source pod.
        source: where it runs.
        target: where it would go.
        post_copy: PostCopy was asked for, which needs more of the node.
    """
    if target.name == source.name:
        return [
            Finding(
                Reason.TARGET_IS_SOURCE,
                f"{title(pod)} already runs on node {target.name}; name another targetNode, or"
                " none to have one chosen",
            )
        ]
    findings = [*_state(target), *_taints(pod, target)]
    agent = list(_agent(target, "target"))
    findings += agent
    if not agent and source.facts is not None:
        findings += [*_runtime(source, target), *_processor(source, target)]
        findings += _clocks(target)
    if post_copy:
        findings += _userfaultfd(target, "target")
    return [*findings, *check_placement(pod, target), *_memory(pod, target)]


def check_post_copy(source: NodeView, target: NodeView) -> list[Finding]:
    """Return what stands against PostCopy between these nodes, beside what `check_*` say."""
    return [*_userfaultfd(source, "source"), *_userfaultfd(target, "target")]


def headroom_bytes(node: NodeView) -> int:
    """Return the memory that no pod on the node has requested [bytes]."""
    return node.allocatable_bytes - node.requested_bytes


def requested_bytes(pod: RawPod) -> int:
    """Return the memory that the pod's containers request [bytes]."""
    total = 0
    for container in app_containers(pod):
        requests = (container.get("resources") or {}).get("requests") or {}
        total += parse_bytes(requests.get("memory", 0))
    return total


def _state(node: NodeView) -> Iterator[Finding]:
    if not node.ready:
        yield Finding(
            Reason.TARGET_NOT_READY,
            f"target node {node.name} is not ready; see `kubectl describe node {node.name}`, or"
            " choose another one",
        )
    if node.cordoned:
        yield Finding(
            Reason.TARGET_CORDONED,
            f"target node {node.name} is cordoned; `kubectl uncordon {node.name}`, or choose"
            " another one",
        )


def _taints(pod: RawPod, node: NodeView) -> Iterator[Finding]:
    tolerations = (pod.get("spec") or {}).get("tolerations") or []
    for taint in node.taints:
        if taint.get("effect") not in ("NoSchedule", "NoExecute"):
            continue
        if taint.get("key") in _SELF_SAID and (node.cordoned or not node.ready):
            continue
        if not any(_tolerates(item, taint) for item in tolerations):
            value = f"={taint['value']}" if taint.get("value") else ""
            yield Finding(
                Reason.TARGET_TAINTED,
                f"target node {node.name} has the taint {taint.get('key')}{value}:"
                f"{taint['effect']}, which {title(pod)} does not tolerate; choose another node,"
                " or take the taint away",
            )


def _tolerates(toleration: dict[str, Any], taint: dict[str, str]) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    exists = toleration.get("operator") == "Exists"
    if not toleration.get("key"):
        return exists
    if toleration["key"] != taint.get("key"):
        return False
    return exists or str(toleration.get("value") or "") == (taint.get("value") or "")


def _agent(node: NodeView, role: str) -> Iterator[Finding]:
    if node.facts is None:
        yield Finding(
            Reason.AGENT_MISSING,
            f"no agent answers on {role} node {node.name}; see `kubectl -n podferry-system get"
            " pods -o wide` and whether the DaemonSet of the agent covers this node",
        )
        return
    problems = [str(item) for item in node.facts.get("problems") or []]
    if not node.facts.get("handlerInstalled") and not any("podferry-runc" in p for p in problems):
        problems.insert(0, "podferry-runc is not installed; run the installer on this node")
    if node.facts.get("freezeInRestore") is False:
        problems.append("criu cannot freeze within a restore; install the criu of our role")
    for problem in problems:
        yield Finding(Reason.NODE_NOT_CAPABLE, f"{role} node {node.name}: {problem}")


def _userfaultfd(node: NodeView, role: str) -> Iterator[Finding]:
    """Without it a page that has not arrived reads as zero; what nobody told does not count."""
    if node.facts is not None and node.facts.get("userfaultfd") is not True:
        yield Finding(
            Reason.NODE_NOT_CAPABLE,
            f"criu gets no userfaultfd with fork events on {role} node {node.name}, without which"
            " PostCopy cannot fetch pages on demand; run `criu check --feature uffd-noncoop` there:"
            " the kernel needs CONFIG_USERFAULTFD and criu the capability SYS_PTRACE; or use copy"
            " StopAndCopy",
        )


@lru_cache(maxsize=256)
def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", text)[:3])


def _runtime(source: NodeView, target: NodeView) -> Iterator[Finding]:
    assert source.facts is not None
    assert target.facts is not None
    for key, tool in (("criuVersion", "criu"), ("runcVersion", "runc")):
        there = str(target.facts.get(key) or "")
        here = str(source.facts.get(key) or "")
        if _version(there) < _version(here):
            yield Finding(
                Reason.OLDER_RUNTIME,
                f"{tool} is {there or 'unknown'} on target node {target.name} and {here} on source"
                f" node {source.name}: images of a newer one may not be readable; upgrade {tool}"
                f" on {target.name} to {here} or later",
            )


def _clocks(target: NodeView) -> Iterator[Finding]:
    """criu restores CLOCK_MONOTONIC by a time namespace; without one it is the target's own."""
    if target.facts is not None and target.facts.get("timeNamespaces") is False:
        yield Finding(
            Reason.NODE_NOT_CAPABLE,
            f"the kernel of target node {target.name} has no time namespaces: timers of the program"
            " would stall or all fire at once; choose a target with CONFIG_TIME_NS (Linux 5.6 or"
            " later)",
        )


def _processor(source: NodeView, target: NodeView) -> Iterator[Finding]:
    assert source.facts is not None
    assert target.facts is not None
    here, there = source.labels.get(ARCHITECTURE), target.labels.get(ARCHITECTURE)
    if here and there and here != there:
        yield Finding(
            Reason.NODE_NOT_CAPABLE,
            f"target node {target.name} has the architecture {there}, source node {source.name}"
            f" {here}; choose a target of {here}",
        )
        return
    cgroups = [str(node.facts.get("cgroup")) for node in (source, target) if node.facts]
    if cgroups[0] != cgroups[1]:
        yield Finding(
            Reason.NODE_NOT_CAPABLE,
            f"target node {target.name} uses cgroup {cgroups[1]}, source node {source.name}"
            f" {cgroups[0]}; choose a target with cgroup {cgroups[0]}",
        )
    has, offers = source.facts.get("cpuFeatures") or [], target.facts.get("cpuFeatures") or []
    # asked of each node of a cluster whose machines are mostly the same
    lacking = [] if has == offers else sorted(set(has) - set(offers))
    if lacking:
        more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""
        yield Finding(
            Reason.MISSING_CPU_FEATURES,
            f"the processor of target node {target.name} lacks {len(lacking)} features of that of"
            f" {source.name} ({', '.join(lacking[:5])}{more}), which the program may be using;"
            " choose a node of the same or a newer machine type",
        )


def check_placement(pod: RawPod, node: NodeView) -> Iterator[Finding]:
    """The replacement is pinned to the target, so its own wishes must allow that node."""
    spec = pod.get("spec") or {}
    wanted = spec.get("nodeSelector") or {}
    missing = [f"{key}={value}" for key, value in wanted.items() if node.labels.get(key) != value]
    if missing:
        yield Finding(
            Reason.TARGET_UNSCHEDULABLE,
            f"target node {node.name} lacks the labels {', '.join(missing)} of the nodeSelector of"
            f" {title(pod)}; choose a node that has them",
        )
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or []
    if terms and not any(term_matches(term, node.labels) for term in terms):
        yield Finding(
            Reason.TARGET_UNSCHEDULABLE,
            f"target node {node.name} does not meet the required nodeAffinity of {title(pod)};"
            " choose a node that does",
        )


def term_matches(term: dict[str, Any], labels: dict[str, str]) -> bool:
    """All expressions hold; `matchFields` is our own pin of an earlier move and is replaced."""
    return all(expression_holds(item, labels) for item in term.get("matchExpressions") or [])


def selects(selector: dict[str, Any] | None, labels: dict[str, str]) -> bool:
    """A label selector; none at all selects nothing."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        expression_holds(item, labels) for item in selector.get("matchExpressions") or []
    )


def expression_holds(item: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether labels meet one matchExpression of a node or pod selector."""
    value, values = labels.get(str(item.get("key"))), item.get("values") or []
    match item.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator if value and value.isdigit() and str(values[0]).isdigit():
            bound = int(values[0])
            return int(value) > bound if operator == "Gt" else int(value) < bound
    return False


def _memory(pod: RawPod, node: NodeView) -> Iterator[Finding]:
    needed, free = requested_bytes(pod), headroom_bytes(node)
    if needed > free:
        yield Finding(
            Reason.TARGET_UNSCHEDULABLE,
            f"{title(pod)} requests {needed / MIB:.0f} MiB and target node {node.name} has"
            f" {max(0, free) / MIB:.0f} MiB left ({node.requested_bytes / MIB:.0f} of"
            f" {node.allocatable_bytes / MIB:.0f} MiB are requested); free"
            f" {(needed - max(0, free)) / MIB:.0f} MiB there, or choose another node",
        )
