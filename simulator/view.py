"""What the policy sees of the simulated cluster: a snapshot as the agents' samples give it.

Owns the translation from arrays to the policies' words. Pods and histories are made when a rule
first asks for them: most looks ask for few. A snapshot is good until the clock goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from podferry.policies.vocabulary import Node, Pod, Series, Snapshot
from podferry.simulator.cost import costs
from podferry.simulator.layout import Prepared
from podferry.simulator.world import DOWN, RUNNING, World

Pair = tuple[tuple[float, ...], tuple[float, ...]]
"""Times and values."""


class Sampled(Series):
    """A series that is read from the ring of samples when it is first looked at."""

    __slots__ = ("_source",)
    _source: Pair | Callable[[], Pair]

    def __init__(self, read: Callable[[], Pair]) -> None:
        object.__setattr__(self, "_source", read)

    def _both(self) -> Pair:
        source = self._source
        if callable(source):
            source = source()
            object.__setattr__(self, "_source", source)
        return source

    @property
    def times(self) -> tuple[float, ...]:
        """Of the samples [s]."""
        return self._both()[0]

    @property
    def values(self) -> tuple[float, ...]:
        """Of the samples [bytes]."""
        return self._both()[1]


class Lazy(Node):
    """A node whose pods may be given as a function that is called when they are first asked for."""

    __slots__ = ("_pods",)
    _pods: tuple[Pod, ...] | Callable[[], tuple[Pod, ...]]

    @property
    def pods(self) -> tuple[Pod, ...]:
        """Pods that are there, in the order of the trace."""
        if callable(self._pods):
            object.__setattr__(self, "_pods", self._pods())
        assert not callable(self._pods)
        return self._pods

    @pods.setter
    def pods(self, pods: Any) -> None:
        object.__setattr__(self, "_pods", pods)


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
        self._since = plain["since"]
        self._request: list[float] = plain["request"].tolist()
        cluster = prepared.scenario.cluster
        self._allocatable = float(prepared.rules[0].allocatable)
        self._cluster = cluster
        self._order: list[int] = []
        self._times: tuple[float, ...] = ()
        self._newest = -1
        self._cost = costs(prepared.scenario.moves, prepared.scenario.restart_delay)

    def snapshot(self, tick: int, moving: set[int]) -> Snapshot:
        """Return the cluster as the policy sees it at `tick`, with the pods that are on the way."""
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
        incoming = nodes["incoming"].tolist()
        outgoing = nodes["outgoing"].tolist()
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
        """Find the samples of the window: the newest, their places in the rings, their times."""
        self._newest = int(self._w.tally[0].sample)
        step = int(self._scenario.sampling)
        numbers = range(max(0, self._newest - self._window + 1), self._newest + 1)
        self._order = [number % self._window for number in numbers]
        self._times = tuple(float(number * step) for number in numbers)

    def _node_series(self, n: int) -> Series:
        order, times = self._order, self._times

        def read() -> Pair:
            return times, tuple(self._w.node_ring[n, order].tolist())

        return Sampled(read)

    def _maker(self, pods: list[int], moving: set[int]) -> Callable[[], tuple[Pod, ...]]:
        return lambda: self._pods(pods, moving)

    def _pods(self, pods: list[int], moving: set[int]) -> tuple[Pod, ...]:
        """Return the pods of one node; their histories are read together when one is asked for."""
        scenario, order, times, newest = self._scenario, self._order, self._times, self._newest
        ring, cost = self._w.ring, self._cost
        rows: list[list[float]] = []

        def history(at: int, since: int) -> Series:
            def read() -> Pair:
                if not rows:
                    rows.extend(ring[np.ix_(pods, order)].tolist())
                first = max(0, len(order) - (newest - since + 1))
                return times[first:], tuple(rows[at][first:])

            return Sampled(read) if since <= newest else Series()

        held = ring[pods, newest % self._window].tolist()
        fields = (self._state, self._origin, self._moves, self._since)
        columns = zip(pods, held, *(field[pods].tolist() for field in fields), strict=True)
        made = []
        for at, (i, latest, state, origin, moves, since) in enumerate(columns):
            traced = scenario.trace.pods[i]
            memory = latest if since <= newest else 0.0
            blocked = "is being moved" if i in moving else ""
            made.append(
                Pod(
                    traced.name,
                    memory,
                    history(at, since),
                    self._request[i],
                    traced.limit,
                    traced.priority,
                    float(origin),
                    1.0,
                    cost(memory),
                    moves,
                    traced.cpu,
                    "is starting anew" if state == DOWN else blocked,
                )
            )
        return tuple(made)
