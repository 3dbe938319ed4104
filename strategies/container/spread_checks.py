"""Required pod (anti-)affinity and topology spread, judged for one target. Pure.

The target's pod is pinned to its node, and the scheduler counts topology spread only over the
nodes that a pod may go to, so for a pinned pod it would count nothing: this is where spread is
kept. Anti-affinity the scheduler does see, but its answer would come late. Terms for other
namespaces are left to it.

Counted is what is there when the target's pod is placed for good. A pod that keeps its name is
placed when the source object is gone; a replacement of a Deployment or Job is placed beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podferry.api.reasons import Reason
from podferry.controller.core.view import NodeView
from podferry.strategies.container.finding import Finding, RawPod, title
from podferry.strategies.container.node_checks import check_placement, selects

Labels = dict[str, str]
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def check_spread(
    pod: RawPod,
    target: NodeView,
    *,
    nodes: Mapping[str, NodeView],
    pods: Mapping[str, RawPod],
    same_name: bool,
) -> Iterator[Finding]:
    """Yield which of the pod's required terms, or of its neighbours', the target would break.

    Args:
        pod: the raw source pod.
        target: a node it may go to.
        nodes: all nodes by name.
        pods: all pods of its namespace.
        same_name: the source is gone before the target's pod is placed.
    """
    others = [one for one in pods.values() if _placed(one) and not _same(one, pod)]
    beside = others if same_name else [*others, pod]
    yield from _apart(pod, target, nodes, beside)
    yield from _together(pod, target, nodes, beside)
    yield from _even(pod, target, nodes, others)


def that_matter(pod: RawPod, pods: Mapping[str, RawPod]) -> dict[str, RawPod]:
    """Return those of `pods` without which `check_spread` of this pod says the same.

    For who asks about many targets: in a namespace of hundreds of pods it is mostly none.
    """
    spec = pod.get("spec") or {}
    looks = any(_terms(pod, kind) for kind in ("podAffinity", "podAntiAffinity"))
    if looks or spec.get("topologySpreadConstraints"):
        return dict(pods)
    return {name: other for name, other in pods.items() if _terms(other, "podAntiAffinity")}


def _apart(
    pod: RawPod, target: NodeView, nodes: Mapping[str, NodeView], beside: list[RawPod]
) -> Iterator[Finding]:
    for other in beside:
        for owner, seen in ((pod, other), (other, pod)):
            for term in _terms(owner, "podAntiAffinity"):
                key = str(term.get("topologyKey"))
                domain = _domain(target, key)
                near = domain is not None and domain == _domain(_node(other, nodes), key)
                if near and selects(term.get("labelSelector"), _labels(seen)):
                    who = "the source itself, which stays until its replacement runs"
                    if not _same(other, pod):
                        who = title(other)
                    yield Finding(
                        Reason.TARGET_UNSCHEDULABLE,
                        f"target node {target.name} has the same {key} ({domain}) as {who}, and the"
                        f" required podAntiAffinity of {title(owner)} keeps them apart; choose a"
                        f" node with another {key}",
                    )
                    return


def _together(
    pod: RawPod, target: NodeView, nodes: Mapping[str, NodeView], beside: list[RawPod]
) -> Iterator[Finding]:
    for term in _terms(pod, "podAffinity"):
        key, selector = str(term.get("topologyKey")), term.get("labelSelector")
        found = [other for other in beside if selects(selector, _labels(other))]
        if not found and selects(selector, _labels(pod)):
            continue  # the first of its kind may go anywhere
        domain = _domain(target, key)
        if domain is None or domain not in [_domain(_node(other, nodes), key) for other in found]:
            yield Finding(
                Reason.TARGET_UNSCHEDULABLE,
                f"no pod that the required podAffinity of {title(pod)} asks for runs in the {key}"
                f" of target node {target.name} ({domain or 'it has none'}); choose a node beside"
                " one",
            )


def _even(
    pod: RawPod, target: NodeView, nodes: Mapping[str, NodeView], others: list[RawPod]
) -> Iterator[Finding]:
    for rule in (pod.get("spec") or {}).get("topologySpreadConstraints") or []:
        if rule.get("whenUnsatisfiable") != "DoNotSchedule":
            continue
        key, most = str(rule.get("topologyKey")), int(rule.get("maxSkew") or 1)
        domain = _domain(target, key)
        if domain is None:
            yield Finding(
                Reason.TARGET_UNSCHEDULABLE,
                f"target node {target.name} lacks the label {key} over which {title(pod)} is spread"
                " (topologySpreadConstraints); choose a node that has it",
            )
            continue
        counts = _counts(pod, rule, nodes, others)
        after = counts.get(domain, 0) + _rule_selects(rule, pod, _labels(pod))
        least = min([count for name, count in counts.items() if name != domain] + [after])
        if after - least > most:
            yield Finding(
                Reason.TARGET_UNSCHEDULABLE,
                f"on target node {target.name} {title(pod)} would make {after} pods in {key}"
                f" {domain} and {least} elsewhere, more than maxSkew {most} of its"
                " topologySpreadConstraints apart; choose a node with fewer of them",
            )


def _counts(
    pod: RawPod, rule: dict[str, Any], nodes: Mapping[str, NodeView], others: list[RawPod]
) -> dict[str, int]:
    """Pods that the rule counts in each domain that the pod may go to; the source is none."""
    key = str(rule.get("topologyKey"))
    honor = rule.get("nodeAffinityPolicy") != "Ignore"
    counts: dict[str, int] = {}
    for node in nodes.values():
        domain = _domain(node, key)
        if domain is None or (honor and any(True for _ in check_placement(pod, node))):
            continue
        counts.setdefault(domain, 0)
        counts[domain] += sum(
            (other.get("spec") or {}).get("nodeName") == node.name
            and not (other.get("metadata") or {}).get("deletionTimestamp")
            and _rule_selects(rule, pod, _labels(other))
            for other in others
        )
    return counts


def _rule_selects(rule: dict[str, Any], pod: RawPod, labels: Labels) -> bool:
    mine = _labels(pod)
    same = all(labels.get(key) == mine.get(key) for key in rule.get("matchLabelKeys") or [])
    return same and selects(rule.get("labelSelector"), labels)


def _terms(pod: RawPod, kind: str) -> list[dict[str, Any]]:
    """Required terms that look at the pod's own namespace."""
    affinity = ((pod.get("spec") or {}).get("affinity") or {}).get(kind) or {}
    own = (pod.get("metadata") or {}).get("namespace")
    return [
        term
        for term in affinity.get(_REQUIRED) or []
        if own in (term.get("namespaces") or [own]) and not term.get("namespaceSelector")
    ]


def _placed(pod: RawPod) -> bool:
    over = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return bool((pod.get("spec") or {}).get("nodeName")) and not over


def _same(one: RawPod, other: RawPod) -> bool:
    return bool(one["metadata"].get("uid") == other["metadata"].get("uid"))


def _labels(pod: RawPod) -> Labels:
    return (pod.get("metadata") or {}).get("labels") or {}


def _node(pod: RawPod, nodes: Mapping[str, NodeView]) -> NodeView | None:
    return nodes.get(str((pod.get("spec") or {}).get("nodeName")))


def _domain(node: NodeView | None, key: str) -> str | None:
    return node.labels.get(key) if node else None
