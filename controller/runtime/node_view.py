"""Raw nodes and pods into the values that decisions use. Pure: owns what is counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podferry.controller.core.requests import quantity_bytes, requested_bytes
from podferry.controller.core.view import NodeView


def requested_by_node(pods: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Return the requested memory of each node's pods that are not over [bytes]."""
    sums: dict[str, int] = {}
    for pod in pods:
        node = (pod.get("spec") or {}).get("nodeName")
        if node and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
            sums[node] = sums.get(node, 0) + requested_bytes(pod)
    return sums


def address_of(node: dict[str, Any]) -> str:
    """Return the InternalIP of a node, "" if it has none."""
    for entry in (node.get("status") or {}).get("addresses") or []:
        if entry.get("type") == "InternalIP":
            return str(entry["address"])
    return ""


def node_view(
    raw: dict[str, Any], *, requested: dict[str, int], facts: dict[str, Any] | None
) -> NodeView:
    """Return one node as a value."""
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    name = str(raw["metadata"]["name"])
    ready = any(
        condition.get("type") == "Ready" and condition.get("status") == "True"
        for condition in status.get("conditions") or []
    )
    return NodeView(
        name=name,
        address=address_of(raw),
        ready=ready,
        cordoned=bool(spec.get("unschedulable")),
        taints=tuple(
            {key: str(value) for key, value in taint.items()} for taint in spec.get("taints") or []
        ),
        labels=dict(raw["metadata"].get("labels") or {}),
        allocatable_bytes=quantity_bytes((status.get("allocatable") or {}).get("memory", 0)),
        requested_bytes=requested.get(name, 0),
        facts=facts,
    )
