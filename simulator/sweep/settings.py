"""What may be set in a cell, how each value is written, and the scenario it makes.

Owns the names that the command line and sweep files share, their defaults and their limits. Values
are plain data, so that a cell can be written down, compared and sent to another process.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from podferry.api.quantity import parse_bytes
from podferry.policies.vocabulary import Policy
from podferry.simulator.errors import BadInput
from podferry.simulator.model import GIB, Cluster, MoveModel, Scenario, Strategy, Trace

Value = str | int | float | bool | None
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that a cell can vary."""

    default: Any
    read: Callable[[Any], Any]
    """Raises ValueError with what is allowed."""
    about: str


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        number = _finite(value)
        if number != int(number) or not least <= number <= most:
            raise ValueError(f"{value} is not a whole number from {least:,} to {most:,}")
        return int(number)

    return read


def _number(least: float, most: float, unit: str) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        number = _finite(value)
        if not least <= number <= most:
            raise ValueError(f"{value} is outside {least:g} to {most:g} {unit}".rstrip())
        return number

    return read


def _finite(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{str(value)[:40]!r} is not a number") from None
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(f"{value} is not a number")
    return number


def _size(value: Any) -> float:
    size = float(parse_bytes(value))
    if size < 2.0**20:
        raise ValueError(f"{value} is less than 1Mi; write a size such as 450Gi")
    return size


def _some(value: Any) -> float:
    return float(parse_bytes(value))


def _factor(value: Any) -> float:
    if value == "honoured":
        return 1.0
    try:
        return _number(0.0, 10.0, "")(value)
    except ValueError as error:
        raise ValueError(f"{error}; write honoured or a factor such as 0.25 (0: none)") from None


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"{value!r} is not true or false")


def _word(*allowed: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"{str(value)[:40]!r} is not one of {', '.join(allowed)}")
        return str(value)

    return read


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{str(value)[:40]!r} is not a name or a path")
    return value


SETTINGS: dict[str, Setting] = {
    "trace": Setting("o10n", _text, "o10n, or a file or folder"),
    "resample": Setting("no", _word("no", "each-run"), "each-run: the pods are drawn anew a seed"),
    "scale": Setting(1, _whole(1, 1000), "times as many pods, drawn with replacement"),
    "nodes": Setting(4, _whole(1, 100_000), "equal nodes"),
    "node-memory": Setting(450 * GIB, _size, "of each [bytes]"),
    "node-cpu": Setting(120.0, _number(0.1, 100_000, "cores"), "of each [cores]"),
    "pod-slots": Setting(1000, _whole(1, 100_000), "pods that a node takes"),
    "eviction": Setting(100 * 2.0**20, _some, "kubelet's threshold for memory.available [bytes]"),
    "reserved": Setting(0.0, _some, "kube-reserved and system-reserved [bytes]"),
    "requests": Setting(1.0, _factor, "honoured, or the factor on the trace's requests"),
    "spread": Setting(True, _flag, "the scheduler prefers the node with the least requested"),
    "strategy": Setting("container", _word(*Strategy), "how a pod is moved"),
    "speed": Setting(1.8, _number(0, 1000, "s/GiB"), "of a move, median [s/GiB]"),
    "fixed": Setting(0.4, _number(0, 3600, "s"), "a move of no size, median [s]"),
    "p95": Setting(1.15, _number(1, 100, ""), "95th percentile of a move over its median"),
    "prepare": Setting(1.0, _number(0, 3600, "s"), "from the command to the freeze [s]"),
    "post-copy": Setting(False, _flag, "the freeze ends after `fixed`, the memory follows"),
    "failures": Setting(0.0, _number(0, 1, ""), "share of moves that fail"),
    "streams": Setting(1, _whole(1, 1000), "moves that a node's link carries at once"),
    "dirty-rate": Setting(0.0, _some, "of a virtual machine [bytes/s]"),
    "downtime": Setting(0.5, _number(0, 3600, "s"), "at the end of a pre-copy [s]"),
    "sampling": Setting(15, _whole(1, 86400), "between two samples of the policy [s]"),
    "window": Setting(300.0, _number(1, 7 * 86400, "s"), "history that the policy sees [s]"),
    "noise": Setting(0.0, _number(0, 10, ""), "relative standard deviation of a sample"),
    "linear": Setting(True, _flag, "memory between two samples: a line; false: a step"),
    "restart-delay": Setting(10.0, _number(0, 86400, "s"), "from a kill to the new start [s]"),
}  # fmt: skip


def read(name: str, value: Any, place: str) -> Any:
    """Return a value as cells hold it.

    Raises:
        BadInput: unknown name or impossible value.
    """
    setting = SETTINGS.get(name)
    if setting is None:
        raise BadInput(f"{place}: unknown setting {name!r}; known: {', '.join(SETTINGS)}, policy")
    try:
        return setting.read(value)
    except ValueError as error:
        raise BadInput(f"{place}: {name}: {error}") from None


def defaults() -> dict[str, Any]:
    """Return every setting as it is where nobody says otherwise."""
    return {name: setting.default for name, setting in SETTINGS.items()}


def scenario(values: Values, trace: Trace, policy: Policy | None) -> Scenario:
    """Return the scenario of a full set of values."""
    return Scenario(
        trace=trace,
        cluster=cluster(values),
        policy=policy,
        moves=MoveModel(
            strategy=Strategy(values["strategy"]),
            seconds=values["fixed"],
            per_gib=values["speed"],
            p95_of_p50=values["p95"],
            prepare=values["prepare"],
            post_copy=values["post-copy"],
            failures=values["failures"],
            streams_per_link=values["streams"],
            dirty_rate=values["dirty-rate"],
            downtime=values["downtime"],
        ),
        sampling=values["sampling"],
        window=values["window"],
        noise=values["noise"],
        linear=values["linear"],
        restart_delay=values["restart-delay"],
    )


def cluster(values: Values) -> Cluster:
    """Return the cluster of a full set of values."""
    return Cluster(
        nodes=values["nodes"],
        node_memory=values["node-memory"],
        node_cpu=values["node-cpu"],
        pod_slots=values["pod-slots"],
        eviction=values["eviction"],
        reserved=values["reserved"],
        request_factor=values["requests"],
        spread=values["spread"],
    )


def fits(cluster: Cluster, trace: Trace, place: str) -> None:
    """Refuse a trace with a pod that no node of the cluster could ever hold.

    Raises:
        BadInput: names the pod and what it needs.
    """
    room = cluster.node_memory - cluster.eviction - cluster.reserved
    if room <= 0:
        raise BadInput(f"{place}: eviction and reserved leave nothing of node-memory for pods")
    for pod in trace.pods:
        asked = pod.request * cluster.request_factor
        for what, size in (("requests", asked), ("uses up to", max(pod.memory))):
            if size > room:
                raise BadInput(
                    f"{place}: pod {pod.name!r} {what} {size / GIB:.1f} GiB, more than any node "
                    f"has for pods ({room / GIB:.1f} GiB); give a larger node-memory"
                )
        if pod.cpu > cluster.node_cpu:
            raise BadInput(
                f"{place}: pod {pod.name!r} requests {pod.cpu:g} cores, more than any node has "
                f"({cluster.node_cpu:g}); give a larger node-cpu"
            )
