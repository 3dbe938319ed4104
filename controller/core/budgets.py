"""Whether PodDisruptionBudgets let a move begin that a tool asked for. Pure.

A move takes no pod away before its replacement runs, but its freeze is an interruption of seconds.
So a budget that a failure has used up holds it, several moves under one budget wait for each other,
and a budget that allows no eviction at all while everything is healthy lets one move at a time.
A Migration that a person made is not held. See docs/decisions/0015.
"""

from __future__ import annotations

from typing import Any

from podferry.api.migration import Migration
from podferry.api.reasons import Reason
from podferry.controller.core import places
from podferry.controller.core.upgrades import Hold
from podferry.controller.core.view import View
from podferry.strategies.container.finding import RawPod, title
from podferry.strategies.container.node_checks import selects

RawBudget = dict[str, Any]


def are_kept(migration: Migration) -> bool:
    """Whether this Migration keeps budgets: a tool made it, nobody looked at this workload."""
    return bool(migration.requested_by)


def before_start(view: View, pod: RawPod) -> Hold | None:
    """Which budget says that this pod must not be frozen now; None: none does."""
    if not are_kept(view.migration) or not _ready(pod):
        return None  # a pod that is not Ready counts for no budget
    for budget in view.budgets:
        if selects((budget.get("spec") or {}).get("selector"), _labels(pod)):
            why = _against(view, budget)
            if why:
                name = budget["metadata"]["name"]
                return Hold(
                    Reason.DISRUPTION_BUDGET,
                    f"{title(pod)} waits for the PodDisruptionBudget {name}: {why}; see kubectl -n"
                    f" {view.migration.namespace} describe pdb {name}",
                )
    return None


def _against(view: View, budget: RawBudget) -> str:
    """Why this budget holds now, empty if it does not."""
    status = budget.get("status") or {}
    generation = int((budget.get("metadata") or {}).get("generation") or 0)
    if int(status.get("observedGeneration") or 0) < generation:
        return "it was changed and the cluster has not counted its pods anew"
    allowed = int(status.get("disruptionsAllowed") or 0)
    healthy = int(status.get("currentHealthy") or 0)
    wanted = max(int(status.get(key) or 0) for key in ("expectedPods", "desiredHealthy"))
    moving = [other.name for other in view.others if _moves_one_of(other, view, budget)]
    if moving and len(moving) >= allowed:
        return (
            f"it allows {allowed} disruptions now and {len(moving)} of its pods are being moved"
            f" ({', '.join(sorted(moving)[:4])})"
        )
    if not moving and allowed < 1 and healthy < wanted:
        return (
            f"{healthy} of the {wanted} pods that it counts on are healthy, so it allows no"
            " disruption, and a move freezes the pod for a moment"
        )
    return ""


def _moves_one_of(other: Migration, view: View, budget: RawBudget) -> bool:
    """Whether another Migration moves a pod of this budget now."""
    if not places.holds_places(other):
        return False
    ends = [end.pod for end in (other.status.source, other.status.target) if end is not None]
    pods = [view.pods[name] for name in ends if name in view.pods]
    selector = (budget.get("spec") or {}).get("selector")
    # Between the two pods of a kept name there is none: then it counts, for a moment.
    return not pods or any(selects(selector, _labels(pod)) for pod in pods)


def _ready(pod: RawPod) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _labels(pod: RawPod) -> dict[str, str]:
    return (pod.get("metadata") or {}).get("labels") or {}
