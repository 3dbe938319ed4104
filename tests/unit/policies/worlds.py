"""Small clusters for the tests of rules: sizes in GiB, histories as lists of samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from podferry.policies.vocabulary import Node, Overload, Pod, Series, Snapshot
from podferry.policies.words import GIB

NOW = 1000.0


def series(values: Sequence[float], step: float = 60.0) -> Series:
    """Samples [GiB] at equal steps, the newest at NOW."""
    count = len(values)
    times = tuple(NOW - step * (count - 1 - at) for at in range(count))
    return Series(times, tuple(value * GIB for value in values))


def pod(key: str, memory: float, slope: float | None = None, **more: Any) -> Pod:
    """A pod of so many GiB; with a slope [GiB/min] two samples a minute apart."""
    if slope is not None:
        more["history"] = series([memory - slope, memory])
    return Pod(key, memory * GIB, **more)


def node(name: str, pods: Iterable[Pod] = (), capacity: float = 100.0, **more: Any) -> Node:
    """A node of so many GiB that holds nothing but its pods, unless `used` [GiB] is said."""
    pods = tuple(pods)
    used = more.pop("used", None)
    sizes = sum(each.memory for each in pods) if used is None else used * GIB
    for booked in ("incoming", "outgoing", "eviction"):
        if booked in more:
            more[booked] *= GIB
    return Node(name, capacity * GIB, sizes, pods=pods, **more)


def world(*nodes: Node) -> Snapshot:
    return Snapshot(NOW, nodes)


def asked(name: str, need: float, exhausted_in: float | None = None) -> Overload:
    """An overload of so many GiB."""
    return Overload(name, need * GIB, exhausted_in, "")


def no_draw() -> float:
    raise AssertionError("this rule uses no randomness")
