"""Sizes, rates and times of an insight in words, and what is said of a node or a pod. Pure.

Nothing here knows a terminal; what is not known is `-`, never a guess.
"""

from __future__ import annotations

from typing import Any

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
Object = dict[str, Any]
UNKNOWN = "-"


def size(value: float | None) -> str:
    """Bytes as `312 MiB` or `12.5 GiB`."""
    if value is None:
        return UNKNOWN
    if abs(value) < 10 * GIB:
        return f"{value / MIB:.0f} MiB"
    return f"{value / GIB:.1f} GiB"


def rate(value: float | None) -> str:
    """Bytes a second with their sign: plus is growing."""
    if value is None:
        return UNKNOWN
    if abs(value) < KIB / 2:
        return "0"
    if abs(value) < MIB:
        return f"{value / KIB:+.0f} KiB/s"
    return f"{value / MIB:+.1f} MiB/s"


def time(value: float | None) -> str:
    """Seconds as `now`, `0.9 s`, `100 s`, `12 min` or `3.5 h`."""
    if value is None:
        return UNKNOWN
    if value <= 0:
        return "now"
    if value < 10:
        return f"{value:.1f} s"
    if value < 600:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def interval(node: Object) -> str:
    """The 90 % interval of the time to exhaustion, such as `80 s to 140 s`; "" without one."""
    ends = node.get("exhaustedInterval")
    if not ends or node.get("exhaustedInSeconds") in (None, 0):
        return ""
    low, high = ends
    return f"{time(low)} to {'never' if high is None else time(high)}"


def exhausted(node: Object) -> str:
    """Time to exhaustion with its interval."""
    within = interval(node)
    return time(node.get("exhaustedInSeconds")) + (f" ({within})" if within else "")


def headroom(node: Object) -> float | None:
    """What a node can take before kubelet would evict, bookings counted [bytes]."""
    if not node.get("known") or "availableBytes" not in node:
        return None
    return float(node["availableBytes"] - node["evictionBytes"] - node["incomingBytes"])


def pressure(node: Object) -> str:
    """Shares of the last 10 s and 60 s in which something waited for memory."""
    told = node.get("pressure")
    return f"{told[0]:.1f} / {told[1]:.1f} %" if told else UNKNOWN


def verdict(pod: Object) -> str:
    """Whether a pod could be moved now, and why not."""
    if pod.get("moving"):
        return "moving"
    if pod.get("blocked"):
        return f"stays: {pod['blocked']}"
    if pod.get("reluctant"):
        return f"last: {pod['reluctant']}"
    return "can move"


def states(insight: Object) -> dict[str, str]:
    """By node: `unknown`, what the policies decided about it, or `fine`."""
    found = {
        str(node["name"]): "fine" if node.get("known") else "unknown"
        for node in insight.get("nodes", ())
    }
    for policy in insight.get("policies", ()):
        for one in policy.get("nodes", ()):
            found[str(one["name"])] = str(one.get("action") or one.get("state") or "fine")
    return found
