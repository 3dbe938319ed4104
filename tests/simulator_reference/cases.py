"""Random scenarios, small and crowded, so that much goes wrong in them."""

from __future__ import annotations

from random import Random
from typing import Any

from podferry.api.errors import PreconditionError
from podferry.policies.registry import CORDONS, DETECTORS, GATES, TARGETS, VICTIMS, policy_from
from podferry.policies.vocabulary import Policy
from podferry.simulator.model import GIB, Cluster, MoveModel, Scenario, Strategy, Trace, TracePod


def scenario(number: int) -> Scenario:
    """Return the random scenario of that number."""
    random = Random(number)
    memory = random.choice([20.0, 40.0]) * GIB
    pods = tuple(_pod(random, k, memory) for k in range(random.randint(3, 24)))
    ordered = sorted(pods, key=lambda pod: (pod.arrival, pod.name))
    return Scenario(
        Trace("random", tuple(ordered), 60.0),
        _cluster(random, memory),
        policy(random),
        _moves(random),
        sampling=float(random.choice([5, 10, 15, 30])),
        window=float(random.choice([30, 120, 300])),
        noise=random.choice([0.0, 0.0, 0.02]),
        linear=random.random() < 0.7,
        restart_delay=random.choice([0.0, 1.5, 10.0]),
        horizon=float(random.choice([0, 0, 0, 900])),
    )


def _pod(random: Random, number: int, node: float) -> TracePod:
    step = random.choice([20.0, 60.0, 7.5])
    count = random.randint(1, 12)
    top = random.choice([0.03, 0.1, 0.15, 0.2, 0.3, 0.3, 0.8]) * node
    memory = tuple(
        random.choice([random.random() * top, random.random() * top, top, 0.0])
        for _ in range(count)
    )
    request = random.choice([0.0, 0.05, 0.1, 0.2]) * node
    cpu = random.choice([0.0, 1.0, 2.5])
    return TracePod(
        f"ns/pod-{number:02d}",
        random.choice([0.0, random.random() * 300, float(random.randint(0, 300))]),
        tuple(k * step for k in range(count)),
        memory,
        (count - 1) * step + random.choice([1.0, 30.0, 60.5]),
        request,
        random.choice([None, None, None, None, None, request or None, 0.7 * node]),
        cpu,
        random.choice([0, 0, 0, 1000]),
    )


def _cluster(random: Random, memory: float) -> Cluster:
    return Cluster(
        nodes=random.choice([1, 3, 4, 6, 8]),
        node_memory=memory,
        node_cpu=random.choice([4.0, 16.0]),
        pod_slots=random.choice([4, 100]),
        eviction=random.choice([100 * 2.0**20, 0.05 * memory]),
        reserved=random.choice([0.0, 0.0, 0.03 * memory]),
        request_factor=random.choice([0.0, 0.5, 1.0]),
        spread=random.random() < 0.7,
        kills=random.random() < 0.9,
    )


def _moves(random: Random) -> MoveModel:
    return MoveModel(
        strategy=random.choice(list(Strategy)),
        seconds=random.choice([0.4, 3.0]),
        per_gib=random.choice([0.3, 1.8, 6.7]),
        p95_of_p50=random.choice([1.0, 1.15, 2.0]),
        prepare=random.choice([0.0, 1.0, 4.5]),
        post_copy=random.random() < 0.3,
        failures=random.choice([0.0, 0.0, 0.3]),
        streams_per_link=random.randint(1, 2),
        dirty_rate=random.choice([0.0, 0.1 * GIB, 5 * GIB]),
        downtime=random.choice([0.2, 2.5]),
        progress_timeout=20.0,
    )


def policy(random: Random) -> Policy | None:
    """Return a policy that does not contradict itself, or none."""
    if random.random() < 0.1:
        return None
    while True:
        mapping: dict[str, Any] = {
            "detector": _detector(random),
            "victim": {"name": random.choice([*sorted(VICTIMS), "cost-benefit", "random"])},
            "target": {"name": random.choice(sorted(TARGETS))},
            "gates": [
                {"name": name}
                for name in random.sample(sorted(GATES), random.choice([0, 0, 1, 1, 2]))
            ],
            "period": random.choice([5, 10, 15, 40]),
            "movesAtOnce": random.choice([0, 0, 1]),
        }
        if random.random() < 0.4:
            mapping["cordon"] = {"name": random.choice(sorted(CORDONS))}
        try:
            return policy_from(mapping)
        except PreconditionError:
            continue


def _detector(random: Random) -> dict[str, Any]:
    name = random.choice([*sorted(DETECTORS), *["threshold"] * 6])
    args: dict[str, Any] = {}
    if name in ("threshold", "slope"):
        args["freePercent"] = random.choice([30, 45, 60])
    if name in ("mad", "iqr", "n-sigma"):
        args["samples"] = random.choice([4, 12, 30])
        args["minSamples"] = 3
    if name in ("local-regression", "robust-regression", "holt"):
        args["samples"] = random.choice([3, 10])
    if name == "pressure-gate":
        args["whenUnknown"] = random.choice(["pass", "pass", "hold"])
        inner = random.choice(["threshold", "robust-regression", "k-of-n"])
        args["detector"] = {"name": inner, "args": {}}
    return {"name": name, "args": args}
