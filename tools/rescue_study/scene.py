"""What is played: windows of recorded curves, drawn until a node must run full. Pure.

Owns the drawing of a scene from a trace and a seed, and the bound of its compression: kubelet looks
every 10 s whatever the speed of the curves, so that what a node grows in 10 s must stay below the
headroom of its threshold, else the kernel's OOM killer comes first.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from podferry.simulator.model import Trace

Curve = npt.NDArray[np.float64]
"""Memory at each second of the scene [MiB]."""
KUBELET_SECONDS = 10
"""Between two looks of kubelet's eviction manager."""
GIB = 2.0**30
PER_NODE = 3
BIG = 0.3
"""A pod may be drawn if its most is above so much of the trace's 90th percentile of it."""
FULLER, TOGETHER, LARGEST = 1.15, 0.85, 0.7
"""The fuller node wants so much of its room; all pods together at most so much of the room of all
nodes; one pod at most so much of a node's."""
NOT_BEFORE_SECONDS = 40
"""No node is full sooner: the policy must have seen something to foresee from."""
TRIES = 4000
STEP_SECONDS = 2
REQUEST_MIB, REQUEST_STEP_MIB = 48, 36
"""Requests rise from pod to pod by more than a percent of a node, so that a scheduler that prefers
the emptier node deals the pods out in turn."""
LEAST_MIB = 4.0


@dataclass(frozen=True, slots=True)
class Actor:
    """One pod of a scene."""

    name: str
    origin: str
    """Pod of the trace and second at which its window begins."""
    node: int
    request: int
    """MiB."""
    curve: Curve

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """(own running time [s], MiB), as it is played; the last one stays."""
        return tuple(
            (float(second), round(float(self.curve[second]), 1))
            for second in range(0, len(self.curve), STEP_SECONDS)
        )

    def text(self) -> str:
        """The curve as the workload's CURVE."""
        return " ".join(f"{second:g},{mib:.1f}" for second, mib in self.points)


@dataclass(frozen=True, slots=True)
class Scene:
    """What is played, and by what it was scaled."""

    trace: str
    seed: int
    seconds: int
    nodes: int
    actors: tuple[Actor, ...]
    scale: float
    """MiB that stand for a GiB of the trace."""
    compression: float
    """Seconds of the trace in one second of the scene."""
    p99_growth: float
    """99th percentile of what a node grows in 10 s [MiB]."""
    most_growth: float
    """The largest of it [MiB]."""

    def used(self, node: int) -> Curve:
        """What the pods of a node hold at each second if nobody disturbs them [MiB]."""
        total: Curve = np.sum([one.curve for one in self.actors if one.node == node], axis=0)
        return total


class NoScene(Exception):
    """No scene can be made of this trace; the text says why."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where it is played."""

    nodes: int
    room: float
    """What pods can have on a node before kubelet evicts [MiB]."""
    headroom: float
    """kubelet's threshold [MiB]."""
    seconds: int


def draw(trace: Trace, seed: int, stage: Stage, compression: float) -> Scene:
    """Return the scene of a seed.

    Raises:
        NoScene: no draw makes a node run full, has room for all elsewhere and keeps the bound.
    """
    length = stage.seconds * compression
    most = [max(pod.memory) for pod in trace.pods]
    least = BIG * float(np.quantile(most, 0.9))
    able = [
        pod
        for pod, top in zip(trace.pods, most, strict=True)
        if top >= least and pod.lifetime >= length
    ]
    lots = random.Random(f"rescue {trace.name} {seed}")  # noqa: S311 a scene, no secret
    grid = np.arange(stage.seconds + 1) * compression
    for _ in range(TRIES if able else 0):
        windows, origins = [], []
        for _ in range(PER_NODE * stage.nodes):
            pod = lots.choice(able)
            first = lots.uniform(0, pod.lifetime - length)
            windows.append(np.interp(first + grid, pod.times, pod.memory) / GIB)
            origins.append(f"{pod.name} from {first:.0f} s")
        found = _fitting(windows, stage)
        if found is not None:
            scale, grown = found
            actors = tuple(
                Actor(
                    f"actor-{at}",
                    origins[at],
                    at % stage.nodes,
                    REQUEST_MIB + REQUEST_STEP_MIB * at,
                    np.maximum(LEAST_MIB, window * scale),
                )
                for at, window in enumerate(windows)
            )
            p99, top = float(np.quantile(grown, 0.99)), float(grown.max())
            return Scene(
                trace.name, seed, stage.seconds, stage.nodes, actors, scale, compression, p99, top
            )
    raise NoScene(
        f"{trace.name}, seed {seed}, {compression:g} times faster: {len(able)} pods live long "
        f"enough, and none of {TRIES} draws fills one node of {stage.room:.0f} MiB, leaves room on "
        f"the others and grows less than {stage.headroom:.0f} MiB in {KUBELET_SECONDS} s"
    )


def _fitting(windows: list[Curve], stage: Stage) -> tuple[float, Curve] | None:
    """Return the scale [MiB for a GiB] and what nodes grow in 10 s [MiB]; None: not fit to play."""
    nodes = [np.sum(windows[at :: stage.nodes], axis=0) for at in range(stage.nodes)]
    top = max(float(node.max()) for node in nodes)
    if top <= 0:
        return None
    scale = FULLER * stage.room / top
    if float(np.sum(nodes, axis=0).max()) * scale > TOGETHER * stage.nodes * stage.room:
        return None
    if max(float(each.max()) for each in windows) * scale > LARGEST * stage.room:
        return None
    early = max(float(node[:NOT_BEFORE_SECONDS].max()) for node in nodes)
    if early * scale > stage.room:
        return None
    grown = np.concatenate(
        [(node[KUBELET_SECONDS:] - node[:-KUBELET_SECONDS]) * scale for node in nodes]
    )
    return (scale, grown) if float(np.quantile(grown, 0.99)) < stage.headroom else None
