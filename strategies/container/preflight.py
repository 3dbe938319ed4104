"""May this container be moved, where to, and within which limits: the checks before a move. Pure.

The front of `pod_checks` and `node_checks`, plus what needs the probe, the prediction or several
nodes. All checks only find; refusing is the caller's. An empty list means: nothing stands against.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from podferry.api.migration import Prediction
from podferry.api.reasons import Reason
from podferry.controller.core.view import ClaimView, NodeView
from podferry.strategies.container.claim_checks import check_reach
from podferry.strategies.container.finding import Finding, RawPod, app_containers, title
from podferry.strategies.container.node_checks import (
    check_post_copy,
    check_source,
    check_target,
    headroom_bytes,
)
from podferry.strategies.container.pod_checks import check_namespace, check_pod
from podferry.strategies.container.spread_checks import check_spread

__all__ = [
    "Finding",
    "check_budget",
    "check_namespace",
    "check_pod",
    "check_post_copy",
    "check_probe",
    "check_source",
    "check_target",
    "choose_target",
    "liveness_seconds",
    "longest_freeze",
]

LIVENESS_MARGIN_SECONDS = 5.0
"""Kept between the end of the freeze and the kill by a failed liveness probe."""
LONGEST_HOLD_SECONDS = 90.0
"""The target's container is held in `create`, which kubelet gives up after 120 s."""
_NODES_SHOWN = 8
_DEFAULT_PERIOD, _DEFAULT_FAILURES = 10, 3


def check_probe(probe: dict[str, Any]) -> list[Finding]:
    """Return the blockers that the source's agent saw in the running processes.

    Args:
        probe: the answer of the agent, see `wire/agent_api.py`.
    """
    findings = []
    for blocker in probe.get("blockers") or []:
        name = str(blocker.get("reason") or "")
        known = name in {reason.value for reason in Reason}
        reason = Reason(name) if known else Reason.UNSUPPORTED_RESOURCE
        message = str(blocker.get("message") or f"the agent says {name or 'no'} and nothing more")
        findings.append(Finding(reason, message))
    if not findings and not probe.get("ok"):
        findings.append(
            Finding(
                Reason.UNSUPPORTED_RESOURCE,
                "the source's agent says that the container cannot be moved and not why; see its"
                " log in podferry-system",
            )
        )
    return findings


def check_budget(
    *,
    pod: RawPod,
    prediction: Prediction,
    max_freeze_seconds: float | None,
    auto_reason: str = "",
) -> list[Finding]:
    """Return which limits the predicted freeze would break.

    Args:
        pod: the raw source pod, for its liveness probes.
        prediction: of the chosen copy mode; its 95th percentile counts.
        max_freeze_seconds: the user's budget [s], None for none.
        auto_reason: why Auto took this copy mode; empty when the user named it.
    """
    p95 = prediction.freeze_p95_seconds
    said = f"the predicted freeze of {title(pod)} (p95 {p95:.2f} s, {prediction.source})"
    findings = []
    if max_freeze_seconds is not None and p95 > max_freeze_seconds:
        instead = auto_reason or "leave the copy mode to Auto, which takes the one that fits"
        findings.append(
            Finding(
                Reason.FREEZE_OVER_BUDGET,
                f"{said} is above maxFreezeSeconds {max_freeze_seconds:g} s; raise that above"
                f" {p95:.2f} s" + ("; " if auto_reason else ", or ") + instead,
            )
        )
    liveness = liveness_seconds(pod)
    if liveness is not None and p95 >= liveness[1] - LIVENESS_MARGIN_SECONDS:
        needed = p95 + LIVENESS_MARGIN_SECONDS
        findings.append(
            Finding(
                Reason.LIVENESS_TOO_SHORT,
                f"{said} does not fit the liveness probe of container {liveness[0]}, which kills"
                f" after {liveness[1]:g} s (periodSeconds x failureThreshold;"
                f" {LIVENESS_MARGIN_SECONDS:g} s margin is kept); raise failureThreshold so that"
                f" the product is above {needed:.0f} s",
            )
        )
    if p95 > LONGEST_HOLD_SECONDS:
        findings.append(
            Finding(
                Reason.HOLD_TOO_LONG,
                f"{said}, dump and restore together, is above {LONGEST_HOLD_SECONDS:g} s, as long"
                " as kubelet surely waits for the target's container; PostCopy moves more memory"
                " within that",
            )
        )
    return findings


def choose_target(
    *,
    pod: RawPod,
    source: NodeView,
    nodes: dict[str, NodeView],
    selector: dict[str, str] | None,
    post_copy: bool = False,
    full: frozenset[str] = frozenset(),
    claims: Mapping[str, ClaimView] | None = None,
    pods: Mapping[str, RawPod] | None = None,
    same_name: bool = False,
) -> tuple[NodeView | None, list[Finding]]:
    """Choose the eligible node with the most memory that nobody requested.

    Args:
        pod: the raw source pod.
        source: where it runs; never chosen.
        nodes: all nodes by name.
        selector: labels that the node must have; None or empty: any node.
        post_copy: PostCopy was asked for, which not every node can do.
        claims: claims of its namespace by name, for where their volumes can be mounted.
        pods: pods of its namespace, for spread and (anti-)affinity.
        same_name: the source is gone before the target's pod is placed for good.
        full: nodes that take no further move now; chosen only where no other is eligible.

    Returns:
        The node and no findings, or None and NoEligibleTarget with the reason of each node.
    """
    eligible, refusals = [], []
    wanted = selector or {}
    for name in sorted(set(nodes) - {source.name}):
        node = nodes[name]
        if any(node.labels.get(key) != value for key, value in wanted.items()):
            continue
        findings = check_target(pod, source, node, post_copy=post_copy)
        findings += check_reach(pod, claims or {}, node)
        findings += check_spread(pod, node, nodes=nodes, pods=pods or {}, same_name=same_name)
        if findings:
            refusals.append(f"{name}: {findings[0].message}")
        else:
            eligible.append(node)
    if eligible:
        free = [node for node in eligible if node.name not in full]
        return max(free or eligible, key=headroom_bytes), []
    return None, [Finding(Reason.NO_ELIGIBLE_TARGET, _no_target(pod, source, wanted, refusals))]


def _no_target(pod: RawPod, source: NodeView, wanted: dict[str, str], refusals: list[str]) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in wanted.items())
    if not refusals:
        which = (
            f"no node but {source.name} has the labels {labels}"
            if labels
            else (f"the cluster has no node but {source.name}")
        )
        return f"{title(pod)} has nowhere to go: {which}; " + (
            "correct targetSelector, or label a node" if labels else "add a node"
        )
    more = f"; and {len(refusals) - _NODES_SHOWN} more" if len(refusals) > _NODES_SHOWN else ""
    shown = "; ".join(refusals[:_NODES_SHOWN])
    return f"none of {len(refusals)} nodes can take {title(pod)}: {shown}{more}"


def longest_freeze(pod: RawPod) -> float:
    """Seconds after which a frozen pod must be awake again, or kubelet gives it up; inf: none."""
    liveness = liveness_seconds(pod)
    return liveness[1] - LIVENESS_MARGIN_SECONDS if liveness else math.inf


def liveness_seconds(pod: RawPod) -> tuple[str, float] | None:
    """The container that is killed first without answers, and after how many seconds."""
    found = []
    for container in app_containers(pod):
        probe = container.get("livenessProbe")
        if probe:
            period = float(probe.get("periodSeconds") or _DEFAULT_PERIOD)
            failures = int(probe.get("failureThreshold") or _DEFAULT_FAILURES)
            found.append((str(container.get("name")), period * failures))
    return min(found, key=lambda item: item[1], default=None)
