"""One run of one seed: lets the clock go on, asks the policy when it has to look, obeys it.

Owns the commands on their way from a decision into the world, and the numbers that come out.
The clock is `clock.py`; what the policy sees is `view.py`.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from random import Random
from statistics import NormalDist

import numpy as np

from podferry.policies.decide import cordons, decide
from podferry.policies.vocabulary import Command, Decision, Draw, Move, Policy
from podferry.simulator.clock import CORDON, DECIDE, DRAIN, advance
from podferry.simulator.cost import cost_of
from podferry.simulator.layout import Prepared, fresh, prepare
from podferry.simulator.model import MoveModel, Result, Scenario
from podferry.simulator.view import View
from podferry.simulator.world import (
    CORDONED,
    EVENTS,
    FAR,
    NO_ROOM,
    PENDING,
    SUCCEEDED,
    UNCORDONED,
    World,
)

Z95 = NormalDist().inv_cdf(0.95)


def run(scenario: Scenario | Prepared, seed: int, *, events: bool = False) -> Result:
    """Simulate one seed.

    Args:
        scenario: one cell, or what `prepare` made of it (saves its part for many seeds).
        seed: of the scheduler's ties, kubelets' phases, durations, failures and noise.
        events: keep what happened in `Result.events`.

    Raises:
        ValueError: the scenario cannot be simulated; the message says what and where.
    """
    prepared = scenario if isinstance(scenario, Prepared) else prepare(scenario)
    return Run(prepared, seed, events).finish()


class Lots:
    """Draws each move's duration beside the median, and whether it fails."""

    def __init__(self, seed: int, model: MoveModel) -> None:
        self._random = Random(f"moves {seed}")  # noqa: S311  # no secret
        self._model = model

    def next(self) -> tuple[float, bool]:
        """Return the factor of the next move's duration, and whether it fails."""
        chance, fate = self._random.random(), self._random.random()
        wide = self._model.p95_of_p50
        factor = wide ** (NormalDist().inv_cdf(max(chance, 1e-12)) / Z95) if wide > 1 else 1.0
        return factor, fate < self._model.failures


def draw_at(seed: int, tick: int) -> Draw:
    """Return the policy's randomness for one look: the same whether looks before were skipped."""
    made: list[Random] = []

    def draw() -> float:
        if not made:
            made.append(Random(f"policy {seed} {tick}"))  # noqa: S311  # no secret
        return made[0].random()

    return draw


class Run:
    """The state of one run that is not in its arrays."""

    def __init__(self, prepared: Prepared, seed: int, events: bool) -> None:
        self._seed = seed
        self._scenario = prepared.scenario
        self._names = tuple(f"node-{n}" for n in range(prepared.scenario.cluster.nodes))
        self._number = {name: n for n, name in enumerate(self._names)}
        self._w: World = fresh(prepared, seed, events)
        self._view = View(prepared, self._w, self._names)
        self._index = {pod.name: i for i, pod in enumerate(prepared.scenario.trace.pods)}
        self._lots = Lots(seed, prepared.scenario.moves)
        self._moves: list[Move] = []
        self._open: list[int] = []
        self._no_room = 0
        self._events: list[tuple[float, str, str, str]] = []

    def finish(self) -> Result:
        """Run to the end."""
        policy = self._scenario.policy
        while True:
            why = advance(self._w)
            if why == DRAIN:
                self._drain()
            elif why in (DECIDE, CORDON) and policy is not None:
                self._look(policy, why == CORDON)
            else:
                break
        self._drain()
        return self._result()

    def _look(self, policy: Policy, cordon_only: bool) -> None:
        tick = int(self._w.tally[0].clock)
        self._settle(tick)
        moving = {int(self._w.moves[m].pod) for m in self._open}
        snapshot = self._view.snapshot(tick, moving)
        if cordon_only:
            self._obey(tick, Decision(cordons=cordons(policy, snapshot)))
            return
        self._obey(tick, decide(policy, snapshot, tuple(self._moves), draw_at(self._seed, tick)))

    def _settle(self, tick: int) -> None:
        """Bring the gates' memory of moves up to date."""
        for m in list(self._open):
            record = self._w.moves[m]
            if record.state >= SUCCEEDED:
                self._open.remove(m)
                self._moves[m] = replace(
                    self._moves[m],
                    ended=float(record.ended),
                    succeeded=bool(record.state == SUCCEEDED),
                )

    def _obey(self, tick: int, decision: Decision) -> None:
        for key, placement in decision.placements.items():
            if not placement.node:
                self._no_room += 1
                self._note(tick, NO_ROOM, self._index[key], -1)
        for command in decision.commands:
            self._command(tick, command)
        for name, cordoned in decision.cordons.items():
            n = self._number[name]
            self._w.nodes[n].cordoned = int(cordoned)
            self._w.tally[0].dirty = 1
            self._note(tick, CORDONED if cordoned else UNCORDONED, -1, n)

    def _command(self, tick: int, command: Command) -> None:
        """Put a move on its way; it begins a tick after its decision at the earliest."""
        m = len(self._moves)
        if m == len(self._w.moves):
            self._grow()
        factor, fails = self._lots.next()
        record = self._w.moves[m]
        record.pod = self._index[command.pod]
        record.source = self._number[command.source]
        record.target = self._number[command.target]
        record.state = PENDING
        record.next = record.start = max(tick + 1, ceil(command.start))
        record.factor = factor
        record.fails = int(fails)
        record.copying = FAR
        record.booked = command.memory
        tally = self._w.tally[0]
        self._w.flights[tally.flights] = m
        tally.flights += 1
        tally.moves += 1
        scenario = self._scenario
        cost = cost_of(scenario.moves, scenario.restart_delay, command.memory)
        end = command.start + cost.total
        self._moves.append(
            Move(command.pod, command.source, command.target, command.start, None, True, end)
        )
        self._open.append(m)

    def _grow(self) -> None:
        moves = np.concatenate([self._w.moves, np.zeros_like(self._w.moves)]).view(np.recarray)
        flights = np.concatenate([self._w.flights, np.zeros_like(self._w.flights)])
        self._w = self._w._replace(moves=moves, flights=flights)

    def _note(self, tick: int, what: int, i: int, n: int) -> None:
        tally = self._w.tally[0]
        if self._w.rules[0].want_events:
            if tally.events == len(self._w.events):
                self._drain()
            self._w.events[tally.events] = (tick, what, i, n)
            tally.events += 1

    def _drain(self) -> None:
        """Turn the events so far into words."""
        pods = self._scenario.trace.pods
        count = int(self._w.tally[0].events)
        for tick, what, i, n in self._w.events[:count].tolist():
            pod = pods[i].name if i >= 0 else ""
            self._events.append((float(tick), EVENTS[what], pod, self._names[n] if n >= 0 else ""))
        self._w.tally[0].events = 0

    def _result(self) -> Result:
        tally = self._w.tally[0]
        cluster = self._scenario.cluster
        whole = cluster.nodes * cluster.node_memory
        return Result(
            seed=self._seed,
            evictions=int(tally.evictions),
            oom_kills=int(tally.oom_kills),
            over_capacity=bool(tally.over_capacity),
            migrations=int(tally.migrations),
            failed_migrations=int(tally.failed_migrations),
            freeze_seconds=float(tally.freeze),
            lost_pod_seconds=float(tally.lost),
            queued_pod_seconds=float(tally.waited),
            no_room=self._no_room,
            mean_utilisation=float(tally.used_sum / max(1, tally.samples) / whole),
            peak_utilisation=float(tally.peak / cluster.node_memory),
            end=float(tally.clock),
            unfinished=len(self._w.pods) - int(tally.finished),
            events=tuple(self._events),
        )
