"""Turns a scenario into the arrays of a run: once for all seeds, then copied for each.

Owns the checks of what cannot be simulated, and every conversion of units: memory to whole bytes,
times to whole seconds, CPU to millicores. It runs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from math import ceil, floor, inf

import numpy as np

from podferry.policies.detectors.foreseeing import LocalRegression, RobustRegression, tricube
from podferry.policies.detectors.pressure import PressureGate
from podferry.policies.history import history_needed
from podferry.simulator.cost import cost_of
from podferry.simulator.model import GIB, Scenario, Strategy, Trace, TracePod
from podferry.simulator.prefilter import Skips, skips
from podferry.simulator.world import (
    COLD_RESTART,
    CONTAINER,
    FAR,
    MOVE,
    NODE,
    POD,
    RULES,
    TALLY,
    VIRTUAL_MACHINE,
    Floats,
    Records,
    World,
    zeros,
)

NOISE = 65521
"""Deviates that are drawn for a run with noise (a prime)."""

STRATEGIES = {
    Strategy.CONTAINER: CONTAINER,
    Strategy.VIRTUAL_MACHINE: VIRTUAL_MACHINE,
    Strategy.COLD_RESTART: COLD_RESTART,
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A scenario with its arrays; runs read them and never write."""

    scenario: Scenario
    pods: Records
    rules: Records
    times: Floats
    values: Floats
    window: int
    """Samples that the policy sees."""
    weights: Floats
    """Of the detector's regression."""


def prepare(scenario: Scenario) -> Prepared:
    """Return the scenario with the arrays that all its seeds share.

    Raises:
        ValueError: it cannot be simulated; the message says what and where.
    """
    _check(scenario)
    trace = scenario.trace
    pods = zeros(POD, len(trace.pods))
    first = 0
    for i, pod in enumerate(trace.pods):
        _fill(pods[i], pod, scenario)
        pods[i].first = first
        first += len(pod.times)
        pods[i].last = first - 1
    values = [value for pod in trace.pods for value in curve(pod, scenario)]
    return Prepared(
        scenario,
        pods,
        _rules(scenario, skips(scenario)),
        np.array([time for pod in trace.pods for time in pod.times], dtype=np.float64),
        np.array(values, dtype=np.float64),
        samples_kept(scenario),
        weights(scenario),
    )


def samples_kept(scenario: Scenario) -> int:
    """Return how many samples the policy sees: those of the window, or what its rules need."""
    window = scenario.window
    if scenario.policy is not None:
        window = max(window, history_needed(scenario.policy, scenario.sampling))
    return int(window // scenario.sampling) + 1


def weights(scenario: Scenario) -> Floats:
    """Return the weights of the detector's regression, [0] where it has none."""
    detector = scenario.policy.detector if scenario.policy else None
    while isinstance(detector, PressureGate):
        detector = detector.detector
    if isinstance(detector, LocalRegression | RobustRegression):
        return np.array(tricube(detector.samples))
    return np.zeros(1)


def curve(pod: TracePod, scenario: Scenario) -> list[float]:
    """Return the pod's samples in whole bytes; a virtual machine gives none back while it runs."""
    whole = [float(floor(value + 0.5)) for value in pod.memory]
    if scenario.moves.strategy is Strategy.VIRTUAL_MACHINE:
        return list(accumulate(whole, max))
    return whole


def request_of(pod: TracePod, scenario: Scenario) -> float:
    """Return what the scheduler and kubelet see as the pod's request [whole bytes]."""
    return float(floor(pod.request * scenario.cluster.request_factor))


def oom_score_adj(request: float, limit: float | None, cpu: float, capacity: float) -> int:
    """Return what kubelet gives a container for the kernel's OOM killer."""
    if best_effort(request, limit, cpu):
        return 1000
    if limit is not None and limit == request:
        return -997
    return int(min(max(2, 1000 - 1000 * int(request) // int(capacity)), 999))


def best_effort(request: float, limit: float | None, cpu: float) -> bool:
    """Return whether the pod's QoS class is BestEffort: it states nothing at all."""
    return request == 0 and limit is None and cpu == 0


def fresh(prepared: Prepared, seed: int, events: bool) -> World:
    """Return the world of one seed before its first tick."""
    scenario = prepared.scenario
    cluster = scenario.cluster
    random = np.random.Generator(np.random.PCG64(seed))
    pods = prepared.pods.copy()
    count = len(pods)
    pods.tie = random.random(count)
    nodes = zeros(NODE, cluster.nodes)
    nodes.evaluates = random.integers(0, 10, cluster.nodes)
    nodes.request_room = float(prepared.rules[0].allocatable)
    nodes.cpu_room = prepared.rules[0].cpu
    nodes.slots = cluster.pod_slots
    nodes.pressed = -FAR
    nodes.streams = scenario.moves.streams_per_link
    nodes.sampled = cluster.reserved
    tally = zeros(TALLY, 1)
    tally.clock = tally.quiet = tally.sample = -1
    tally.due = pods.due.min() if count else FAR
    rules = prepared.rules.copy()
    rules.want_events = int(events)
    window = prepared.window
    return World(
        pods,
        nodes,
        zeros(MOVE, 64),
        rules,
        tally,
        prepared.times,
        prepared.values,
        np.zeros(count, dtype=np.int64),
        np.zeros(count, dtype=np.int64),
        np.zeros(64, dtype=np.int64),
        np.zeros((count, window)),
        np.zeros((cluster.nodes, window)),
        np.zeros((16 * count + 256 if events else 1, 4), dtype=np.int64),
        random.standard_normal(NOISE) if scenario.noise else np.zeros(1),
        np.zeros(2 * max(1, window, int(rules[0].samples))),
        prepared.weights,
        np.zeros_like(prepared.weights),
    )


def _fill(record: Records, pod: TracePod, scenario: Scenario) -> None:
    request = request_of(pod, scenario)
    capacity = scenario.cluster.node_memory
    adj = oom_score_adj(request, pod.limit, pod.cpu, capacity)
    record.arrival = record.due = ceil(pod.arrival)
    record.length = max(1, ceil(pod.lifetime))
    record.limit_at = _limit_at(pod, scenario)
    record.request = request
    record.cpu = round(pod.cpu * 1000)
    record.priority = pod.priority
    record.oom_adjust = adj * capacity / 1000.0
    record.best_effort = best_effort(request, pod.limit, pod.cpu)
    record.home = record.move = -1
    record.since = FAR


def _limit_at(pod: TracePod, scenario: Scenario) -> int:
    """Return the first whole second after its start at which the pod holds more than its limit."""
    limit = inf if pod.limit is None else pod.limit
    values = curve(pod, scenario)
    if max(values) <= limit:
        return FAR
    for k, (time, value) in enumerate(zip(pod.times, values, strict=True)):
        last = k == len(values) - 1
        flat = last or not scenario.linear
        if value <= limit and (flat or values[k + 1] <= limit):
            continue
        until = max(1, ceil(time)) + 1 if last else ceil(pod.times[k + 1])
        for at in range(max(1, ceil(time)), until):
            share = 0.0 if flat else (at - time) / (pod.times[k + 1] - time)
            more = 0.0 if flat else values[k + 1] - value
            if floor(value + more * share + 0.5) > limit:
                return at
    return FAR


def _rules(scenario: Scenario, found: Skips) -> Records:
    cluster, moves = scenario.cluster, scenario.moves
    rules = zeros(RULES, 1)
    rules.capacity = cluster.node_memory
    rules.reserved = cluster.reserved
    rules.eviction = cluster.eviction
    rules.allocatable = int(cluster.node_memory - cluster.reserved - cluster.eviction)
    rules.cpu = round(cluster.node_cpu * 1000)
    rules.spread = cluster.spread
    rules.kills = cluster.kills
    rules.linear = scenario.linear
    rules.sampling = int(scenario.sampling)
    rules.noise = scenario.noise
    rules.restart_delay = ceil(scenario.restart_delay)
    rules.horizon = horizon(scenario.trace, scenario.horizon)
    rules.strategy = STRATEGIES[moves.strategy]
    rules.seconds = moves.seconds
    rules.per_gib = moves.per_gib
    rules.prepare = ceil(moves.prepare)
    rules.post_copy = moves.post_copy
    rules.dirty_rate = moves.dirty_rate
    rules.downtime = moves.downtime
    rules.progress_timeout = moves.progress_timeout
    rules.period = int(scenario.policy.period) if scenario.policy else 0
    _tests(rules, found, scenario)
    rules.back_off = found.back_off
    rules.cordon_above = found.cordon_above
    rules.uncordon_below = found.uncordon_below
    return rules


def _tests(rules: Records, found: Skips, scenario: Scenario) -> None:
    rules.detector = found.detector
    rules.samples = found.samples
    rules.needed = found.needed
    rules.level = found.level
    rules.a, rules.b, rules.c = found.a, found.b, found.c
    rules.margin = found.margin
    base = cost_of(scenario.moves, scenario.restart_delay, 0.0).total
    more = cost_of(scenario.moves, scenario.restart_delay, GIB).total
    rules.cost_base = base
    rules.cost_per_byte = (more - base) / GIB


def horizon(trace: Trace, asked: float) -> int:
    """Return the last tick that is simulated."""
    if asked > 0:
        return ceil(asked)
    return 2 * ceil(max((pod.arrival + pod.lifetime for pod in trace.pods), default=0.0)) + 3600


def _check(scenario: Scenario) -> None:
    """Refuse what would come out wrong in silence."""
    cluster, policy = scenario.cluster, scenario.policy
    whole = {"the sampling interval": scenario.sampling}
    if policy is not None:
        whole["the policy's period"] = policy.period
    for what, value in whole.items():
        if value < 1 or value != int(value):
            raise ValueError(
                f"{what} is {value:g} s; the simulator's clock counts whole seconds from 1"
            )
    if cluster.nodes < 1:
        raise ValueError(f"a cluster of {cluster.nodes} nodes; at least 1 is needed")
    if not scenario.trace.pods:
        raise ValueError(f"trace {scenario.trace.name!r} has no pods")
    if not 0 <= scenario.moves.failures <= 1:
        raise ValueError(f"the share of failed moves is {scenario.moves.failures:g}; use 0 to 1")
    if scenario.moves.streams_per_link < 1:
        raise ValueError("a link needs at least 1 stream for moves")
    if scenario.moves.p95_of_p50 < 1:
        raise ValueError(f"p95_of_p50 is {scenario.moves.p95_of_p50:g}; it is at least 1")
    for pod in scenario.trace.pods:
        if not pod.times or pod.times[0] != 0 or len(pod.times) != len(pod.memory):
            raise ValueError(
                f"pod {pod.name!r}: {len(pod.times)} times for {len(pod.memory)} samples; "
                "as many are needed, the first time 0"
            )
