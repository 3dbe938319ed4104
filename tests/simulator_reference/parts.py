"""Pods, nodes and moves of the slow simulator, and how much memory each holds.

Written from the rules, not from the fast engine: objects, no arrays, no bounds, nothing skipped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from math import ceil, floor

import numpy as np

from podferry.simulator.model import GIB, Scenario, Strategy, TracePod


@dataclass
class Pod:
    index: int
    spec: TracePod
    request: float
    levels: list[float]
    tie: float
    state: str = "absent"
    home: int = -1
    progress: int = 0
    joined: int = 0
    restart_at: int = 0
    tries: int = 0
    moves: int = 0
    move: Move | None = None
    samples: dict[int, float] = field(default_factory=dict)

    @property
    def best_effort(self) -> bool:
        return self.request == 0 and self.spec.limit is None and self.spec.cpu == 0

    @property
    def millis(self) -> int:
        return round(self.spec.cpu * 1000)

    def oom_adjust(self, capacity: float) -> float:
        if self.best_effort:
            adj = 1000
        elif self.spec.limit is not None and self.spec.limit == self.request:
            adj = -997
        else:
            adj = min(max(2, 1000 - 1000 * int(self.request) // int(capacity)), 999)
        return adj * capacity / 1000.0

    def memory(self, linear: bool) -> float:
        times = self.spec.times
        at = max(k for k, time in enumerate(times) if time <= self.progress)
        if at == len(times) - 1 or not linear:
            return self.levels[at]
        share = (self.progress - times[at]) / (times[at + 1] - times[at])
        return floor(self.levels[at] + (self.levels[at + 1] - self.levels[at]) * share + 0.5)


@dataclass
class Node:
    index: int
    round: int
    cordoned: bool = False
    pressed_until: int = -1
    streams: int = 1
    booked: list[Pod] = field(default_factory=list)
    """Whose requests count here: its pods, and those that are moved here."""
    samples: list[float] = field(default_factory=list)


@dataclass
class Move:
    number: int
    pod: Pod
    source: Node
    target: Node
    start: int
    factor: float
    fails: bool
    booked: float
    state: str = "pending"
    next: int = 0
    waits: bool = False
    size: float = 0.0
    copying: int | None = None
    ended: int | None = None

    @property
    def over(self) -> bool:
        return self.ended is not None

    @property
    def copies(self) -> bool:
        return self.state in ("copying", "stopped")


def pods_of(scenario: Scenario, ties: list[float]) -> list[Pod]:
    pods = []
    for index, (spec, tie) in enumerate(zip(scenario.trace.pods, ties, strict=True)):
        levels = [float(floor(value + 0.5)) for value in spec.memory]
        if scenario.moves.strategy is Strategy.VIRTUAL_MACHINE:
            levels = list(accumulate(levels, max))
        request = float(floor(spec.request * scenario.cluster.request_factor))
        pods.append(Pod(index, spec, request, levels, tie))
    return pods


def copy_seconds(scenario: Scenario, size: float) -> float | None:
    """How long the copy takes, None if it never converges."""
    moves = scenario.moves
    whole = moves.per_gib * size / GIB
    if moves.strategy is Strategy.CONTAINER or moves.dirty_rate <= 0:
        return moves.seconds + whole
    share = moves.dirty_rate * moves.per_gib / GIB
    return moves.seconds + whole / (1.0 - share) if share < 1 else None


def at_least_one(seconds: float) -> int:
    return max(1, ceil(seconds))


def draws(
    scenario: Scenario, seed: int
) -> tuple[list[float], list[int], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Ties of pods, phases of kubelets, deviates of the noise: in the order of the engine."""
    random = np.random.Generator(np.random.PCG64(seed))
    ties = random.random(len(scenario.trace.pods)).tolist()
    phases = random.integers(0, 10, scenario.cluster.nodes).tolist()
    return ties, phases, random.standard_normal(65521) if scenario.noise else np.zeros(1)
