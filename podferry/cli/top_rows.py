"""Rows of `podferry top`: the node that runs out first is on top, the fastest pod too. Pure."""

from __future__ import annotations

from typing import Any

from podferry.cli import insight_words as words

Object = dict[str, Any]
Row = tuple[str, ...]
NODES = (
    "NODE", "STATE", "AVAILABLE", "EVICTS BELOW", "HEADROOM", "SLOPE", "EXHAUSTED IN", "STALLED",
    "BOOKED IN", "TOLD",
)  # fmt: skip
PODS = ("POD", "NODE", "WORKING SET", "RSS", "SLOPE", "FREEZE", "MOVE P95", "VERDICT")


def nodes(insight: Object) -> list[Row]:
    """A row a node."""
    states = words.states(insight)
    return [_node(each, states[each["name"]]) for each in sorted(insight["nodes"], key=_urgency)]


def pods(insight: Object, node: str = "") -> list[Row]:
    """A row a pod, of one node if one is named."""
    kept = [each for each in insight["pods"] if node in ("", each["node"])]
    kept.sort(key=lambda each: (-each["slopeBytesPerSecond"], -each["workingSetBytes"]))
    return [_pod(each) for each in kept]


def _node(node: Object, state: str) -> Row:
    age = words.time(node.get("ageSeconds"))
    row = (
        node["name"],
        state,
        words.size(node.get("availableBytes")),
        words.size(node.get("evictionBytes")),
        words.size(words.headroom(node)),
        words.rate(node.get("slopeBytesPerSecond")),
        words.exhausted(node),
        words.pressure(node),
        words.size(node.get("incomingBytes")),
    )
    why = "" if node.get("known") else node.get("why") or ""
    ago = age if age in (words.UNKNOWN, "now") else f"{age} ago"
    return (*row, f"{ago}, {why}" if why else ago)


def _pod(pod: Object) -> Row:
    return (
        pod["key"],
        pod["node"],
        words.size(pod["workingSetBytes"]),
        # The agents tell it of a node under pressure only.
        words.size(pod["rssBytes"] or None),
        words.rate(pod["slopeBytesPerSecond"]),
        words.time(pod["freezeP50Seconds"] or None),
        words.time(pod["totalP95Seconds"] or None),
        words.verdict(pod),
    )


def _urgency(node: Object) -> tuple[float, bool, float, str]:
    left = node.get("exhaustedInSeconds")
    room = words.headroom(node)
    return (
        float("inf") if left is None else left,
        bool(node.get("known")),
        float("inf") if room is None else room,
        node["name"],
    )
