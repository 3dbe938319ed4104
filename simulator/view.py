"""What the policy sees of the simulated cluster: a snapshot as the agents' samples give it.

Owns the translation from arrays to the policies' words. Pods and histories are made when a rule
first asks for them: most looks ask for few. A snapshot is good until the clock goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from podferry.policies.vocabulary import MoveCost, Node, Pod, Series, Snapshot
from podferry.simulator.layout import Prepared
from podferry.simulator.model import GIB, MoveModel, Strategy
from podferry.simulator.world import DOWN, FROZEN, RUNNING, World


class Sampled(Series):
    """A series that is read from the ring of samples when it is first looked at."""

    __slots__ = ("_made", "_read")
    _made: tuple[tuple[float, ...], tuple[float, ...]] | None
    _read: Callable[[], tuple[tuple[float, ...], tuple[float, ...]]]

    def __init__(self, read: Callable[[], tuple[tuple[float, ...], tuple[float, ...]]]) -> None:
        object.__setattr__(self, "_read", read)
        object.__setattr__(self, "_made", None)

    def _both(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        if self._made is None:
            object.__setattr__(self, "_made", self._read())
        assert self._made is not None
        return self._made

    @property
    def times(self) -> tuple[float, ...]:  # type: ignore[override]
        """Of the samples [s]."""
        return self._both()[0]

    @property
    def values(self) -> tuple[float, ...]:  # type: ignore[override]
        """Of the samples [bytes]."""
        return self._both()[1]


class Lazy(Node):
    """A node whose pods may be given as a function that is called when they are first asked for."""

    __slots__ = ("_pods",)
    _pods: tuple[Pod, ...] | Callable[[], tuple[Pod, ...]]

    @property
    def pods(self) -> tuple[Pod, ...]:  # type: ignore[override]
        """Pods that are there, in the order of the trace."""
        if callable(self._pods):
            object.__setattr__(self, "_pods", self._pods())
        assert not callable(self._pods)
        return self._pods

    @pods.setter
    def pods(self, pods: Any) -> None:
        object.__setattr__(self, "_pods", pods)


def cost_of(model: MoveModel, restart_delay: float, size: float) -> MoveCost:
    """Return what moving a pod of that size is expected to take."""
    carry = model.per_gib * size / GIB
    whole = model.seconds + carry
    slow = model.p95_of_p50
    if model.strategy is Strategy.COLD_RESTART:
        return MoveCost(restart_delay, model.prepare)
    if model.strategy is Strategy.CONTAINER:
        freeze = model.seconds if model.post_copy else whole
        return MoveCost(freeze, model.prepare + whole * slow)
    share = model.dirty_rate * model.per_gib / GIB
    if share >= 1.0:
        return MoveCost(model.downtime, inf)
    whole = model.seconds + carry / (1.0 - share)
    return MoveCost(model.downtime, model.prepare + whole * slow + model.downtime)


class View:
    """Reads one run's arrays as snapshots."""

    def __init__(self, prepared: Prepared, world: World, names: tuple[str, ...]) -> None:
        self._scenario = prepared.scenario
        self._w = world
        self._names = names
        self._window = prepared.window
        plain = world.pods.view(np.ndarray)
        self._state = plain["state"]
        self._home = plain["home"]
        self._origin = plain["origin"]
        self._moves = plain["moves"]
        self._request = plain["request"]
        cluster = prepared.scenario.cluster
        self._allocatable = float(prepared.rules[0].allocatable)
        self._cluster = cluster
        self._order: list[int] = []
        self._times: tuple[float, ...] = ()
        self._indices: Any = None

    def snapshot(
        self, tick: int, incoming: list[float], outgoing: list[float], moving: set[int]
    ) -> Snapshot:
        """Return the cluster as the policy sees it at `tick`; bookings by node, moving pods."""
        self._samples()
        cluster = self._cluster
        there = np.flatnonzero(
            (self._state >= RUNNING) & (self._state <= DOWN) & (self._home >= 0)
        ).tolist()
        on: list[list[int]] = [[] for _ in self._names]
        for i, n in zip(there, self._home[there].tolist(), strict=True):
            on[n].append(i)
        nodes = self._w.nodes.view(np.ndarray)
        sampled = nodes["sampled"].tolist()
        cordoned = nodes["cordoned"].tolist()
        return Snapshot(
            float(tick),
            tuple(
                Lazy(
                    name,
                    cluster.node_memory,
                    sampled[n],
                    self._node_series(n),
                    self._maker(on[n], moving),  # type: ignore[arg-type]
                    cluster.eviction,
                    self._allocatable,
                    cluster.node_cpu,
                    cluster.pod_slots,
                    not cordoned[n],
                    True,
                    incoming[n],
                    outgoing[n],
                )
                for n, name in enumerate(self._names)
            ),
        )

    def _samples(self) -> None:
        """Find the samples of the window: their places in the rings, numbers and times."""
        last = int(self._w.tally[0].sample)
        step = int(self._scenario.sampling)
        numbers = range(max(0, last - self._window + 1), last + 1)
        self._order = [number % self._window for number in numbers]
        self._times = tuple(float(number * step) for number in numbers)
        self._indices = np.array(numbers, dtype=np.int64)

    def _node_series(self, n: int) -> Series:
        order, times = self._order, self._times

        def read() -> tuple[tuple[float, ...], tuple[float, ...]]:
            return times, tuple(self._w.node_ring[n, order].tolist())

        return Sampled(read)

    def _pod_series(self, i: int) -> Series:
        order, times, indices = self._order, self._times, self._indices

        def read() -> tuple[tuple[float, ...], tuple[float, ...]]:
            known = self._w.stamp[i, order] == indices
            values = self._w.ring[i, order].tolist()
            if known.all():
                return times, tuple(values)
            kept = np.flatnonzero(known).tolist()
            return tuple(times[k] for k in kept), tuple(values[k] for k in kept)

        return Sampled(read)

    def _maker(self, pods: list[int], moving: set[int]) -> Callable[[], tuple[Pod, ...]]:
        return lambda: tuple(self._pod(i, i in moving) for i in pods)

    def _pod(self, i: int, moving: bool) -> Pod:
        scenario = self._scenario
        traced = scenario.trace.pods[i]
        last = self._order[-1] if self._order else 0
        memory = 0.0
        if self._order and self._w.stamp[i, last] == self._indices[-1]:
            memory = float(self._w.ring[i, last])
        blocked = "is being moved" if moving or self._state[i] == FROZEN else ""
        if self._state[i] == DOWN:
            blocked = "is starting anew"
        return Pod(
            traced.name,
            memory,
            self._pod_series(i),
            float(self._request[i]),
            traced.limit,
            traced.priority,
            float(self._origin[i]),
            1.0,
            cost_of(scenario.moves, scenario.restart_delay, memory),
            int(self._moves[i]),
            traced.cpu,
            blocked,
        )
