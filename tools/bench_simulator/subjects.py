"""What is timed: runs of the o10n trace, and a fleet of 10,000 pods for a day.

Owns the scenarios and the time of one run each. CPU seconds of this thread are taken, so that other
work on the machine does not count as long as it does not share the core's caches.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from podferry.policies.presets import SEED
from podferry.policies.registry import policy_from
from podferry.policies.vocabulary import Policy
from podferry.simulator import traces
from podferry.simulator.clock import advance
from podferry.simulator.engine import run
from podferry.simulator.layout import fresh, prepare
from podferry.simulator.model import GIB, Cluster, Result, Scenario, Trace, TracePod
from tests.simulator_reference import engine as slow

BIG_ENOUGH: dict[str, Any] = {**SEED, "victim": {"name": "big-enough"}, "movesAtOnce": 0}
POLICIES: dict[str, dict[str, Any] | None] = {
    "no policy": None,
    "threshold 30 %, big enough, blocking, cordon": BIG_ENOUGH,
    "seed (threshold 30 %, steepest slope, blocking, cordon)": dict(SEED),
    "slope 30 %, big enough, blocking, cordon": {**BIG_ENOUGH, "detector": {"name": "slope"}},
    "local regression, big enough, blocking, cordon": {
        **BIG_ENOUGH,
        "detector": {"name": "local-regression"},
    },
}


@dataclass(frozen=True, slots=True)
class Timed:
    """Runs of one subject."""

    name: str
    seconds: tuple[float, ...]
    pod_samples: int = 0
    """Of one run."""


def scenario(policy: Policy | None) -> Scenario:
    """Return the o10n trace on 4 nodes of 450 GiB without requests."""
    return Scenario(traces.load("o10n"), Cluster(4, pod_slots=24, request_factor=0.0), policy)


def clocked(work: Callable[[], Any]) -> float:
    """Return the CPU seconds of this thread that the work takes."""
    begin = time.thread_time()
    work()
    return time.thread_time() - begin


def o10n(runs: int, slow_runs: int) -> tuple[list[Timed], Timed]:
    """Time every policy, alternated seed by seed, and the plain engine in between."""
    ready = {
        name: prepare(scenario(None if spec is None else policy_from(spec)))
        for name, spec in POLICIES.items()
    }
    taken: dict[str, list[float]] = {name: [] for name in ready}
    plain: list[float] = []
    for prepared in ready.values():
        run(prepared, 0)
    for seed in range(runs):
        for name, prepared in ready.items():
            taken[name].append(clocked(partial(run, prepared, seed)))
        if seed < slow_runs:
            compared = next(iter(ready.values())).scenario
            plain.append(clocked(partial(slow.run, compared, seed)))
    samples = {name: pod_samples(prepared.scenario) for name, prepared in ready.items()}
    fast = [Timed(name, tuple(taken[name]), samples[name]) for name in ready]
    return fast, Timed("plain Python, no policy", tuple(plain))


def pod_samples(scenario: Scenario) -> int:
    """Return how many samples of pods one run without its policy takes."""
    world = fresh(prepare(Scenario(scenario.trace, scenario.cluster)), 0, False)
    advance(world)
    return int(world.tally[0].pod_samples)


def fleet(pods: int, hours: int) -> Trace:
    """Return pods that are all there for the whole time, a sample a minute, saw-tooth curves."""
    draw = random.Random(1)  # noqa: S311 a benchmark, no secret
    count = hours * 60 + 1
    times = tuple(60.0 * k for k in range(count))
    made = []
    for number in range(pods):
        period, top = draw.randint(20, 300), (0.2 + draw.random()) * 2 * GIB
        tooth = [top * (0.3 + 0.7 * k / period) for k in range(period)]
        memory = tuple(tooth[k % period] for k in range(count))
        made.append(TracePod(f"pod-{number}", 0.0, times, memory, hours * 3600.0, GIB, None, 0.5))
    return Trace("fleet", tuple(made), 60.0)


def large(pods: int, hours: int) -> dict[str, float]:
    """Run a fleet once with a policy; return CPU and wall seconds, samples, peak memory [MiB]."""
    trace = fleet(pods, hours)
    cluster = Cluster(max(2, pods // 320), pod_slots=500, node_cpu=256.0)
    spec = {**BIG_ENOUGH, "movesAtOnce": 1}
    wall, cpu = time.perf_counter(), time.thread_time()
    prepared = prepare(Scenario(trace, cluster, policy_from(spec)))
    made = time.thread_time() - cpu
    result: Result = run(prepared, 0)
    whole, wall = time.thread_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "pods": pods,
        "hours": hours,
        "nodes": cluster.nodes,
        "prepare_cpu_s": made,
        "cpu_s": whole,
        "wall_s": wall,
        "pod_samples": pods * hours * 240.0,
        "peak_mib": peak,
        "migrations": result.migrations,
        "unfinished": result.unfinished,
    }
