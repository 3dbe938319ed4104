"""Does a ResourceQuota leave room for the second pod that a move has for a while? Pure.

Owns what such a pod counts for and which quotas cover it. It errs towards letting a move begin: a
scope that it does not know is taken not to cover the pod, and the API server then says no itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from podferry.api.quantity import parse_amount
from podferry.api.reasons import Reason
from podferry.strategies.container.finding import Finding, RawPod, is_sidecar, title

_PODS = ("pods", "count/pods")
_PLAIN = ("cpu", "memory", "ephemeral-storage")
"""Names that mean requests when they stand alone."""


def check_quotas(pod: RawPod, quotas: tuple[dict[str, Any], ...]) -> list[Finding]:
    """Return one finding for each quota and resource that the second pod would exceed.

    Args:
        pod: the raw source pod, which counts on while its successor is made.
        quotas: the raw ResourceQuotas of its namespace.
    """
    return [finding for quota in quotas if _covers(quota, pod) for finding in _room(quota, pod)]


def _room(quota: dict[str, Any], pod: RawPod) -> Iterator[Finding]:
    name = quota["metadata"]["name"]
    status = quota.get("status") or {}
    used = status.get("used") or {}
    for resource, limit in sorted((status.get("hard") or {}).items()):
        needed, taken, hard = _needs(pod, resource), _amount(used.get(resource)), _amount(limit)
        if needed and taken + needed > hard:
            yield Finding(
                Reason.QUOTA_EXCEEDED,
                f"{title(pod)} needs a second pod for the time of the move, and ResourceQuota"
                f" {name} has no room for it: {resource} is used {used.get(resource, 0)} of"
                f" {limit}, the second pod counts {_text(needed)}; raise {resource} of {name} by"
                f" {_text(taken + needed - hard)}, or free as much in the namespace",
            )


def _needs(pod: RawPod, resource: str) -> Decimal:
    """What one pod more like this counts for in a resource of a quota, 0 for nothing."""
    if resource in _PODS:
        return Decimal(1)
    kind, _, name = resource.partition(".")
    if resource in _PLAIN:
        kind, name = "requests", resource
    if kind not in ("requests", "limits"):
        return Decimal(0)
    spec = pod.get("spec") or {}
    running = sum((_of(one, kind, name) for one in spec.get("containers") or []), Decimal(0))
    starting = beside = Decimal(0)
    for one in spec.get("initContainers") or []:
        starting = max(starting, beside + _of(one, kind, name))
        if is_sidecar(one):
            beside += _of(one, kind, name)
    return max(running + beside, starting) + _amount((spec.get("overhead") or {}).get(name))


def _of(container: dict[str, Any], kind: str, name: str) -> Decimal:
    return _amount(((container.get("resources") or {}).get(kind) or {}).get(name))


def _amount(text: Any) -> Decimal:
    try:
        return parse_amount(text or 0)
    except ValueError:
        return Decimal(0)  # the API server let it pass, so it is nothing that we count


def _text(amount: Decimal) -> str:
    """A count, or whole Mi of many bytes, or thousandths of a processor."""
    if amount >= 2**20:
        return f"{amount / 2**20:.0f}Mi"
    return f"{amount.normalize():f}"


def _covers(quota: dict[str, Any], pod: RawPod) -> bool:
    spec = quota.get("spec") or {}
    scopes = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or []]
    scopes += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    return all(_in_scope(scope, pod.get("spec") or {}) for scope in scopes)


def _in_scope(scope: dict[str, Any], spec: dict[str, Any]) -> bool:
    ends = spec.get("activeDeadlineSeconds") is not None
    ask = any(
        (one.get("resources") or {}).get(kind)
        for one in spec.get("containers") or []
        for kind in ("requests", "limits")
    )
    simple = {
        "Terminating": ends,
        "NotTerminating": not ends,
        "BestEffort": not ask,
        "NotBestEffort": bool(ask),
    }
    name = str(scope.get("scopeName"))
    if name != "PriorityClass":
        return simple.get(name, False)
    priority, values = spec.get("priorityClassName"), scope.get("values") or []
    found = {
        "Exists": bool(priority),
        "DoesNotExist": not priority,
        "In": priority in values,
        "NotIn": priority not in values,
    }
    return found.get(str(scope.get("operator")), False)
