"""The same scenes in the simulator, with the same policy file. Pure.

Owns the translation of a scene and its lab into a `Scenario`, and the model of moves fitted from
the moves that were measured.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from podferry.api import serde
from podferry.api.rescue_policy import RescuePolicySpec
from podferry.controller.core.rescue.valid import policy_of
from podferry.simulator.engine import run
from podferry.simulator.model import Cluster, MoveModel, Result, Scenario, Trace, TracePod
from tools.rescue_study.outcome import MIB
from tools.rescue_study.scene import Scene

SAMPLING_SECONDS = 2.0
"""Of an agent."""
GIB = 2.0**30
Row = dict[str, str]
RUNS = 20
"""Seeds of the simulator for one scene: kubelets' phases and the durations of moves."""
RESTART_SECONDS = 2.0
"""From an eviction to the new process, as the lab shows it."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """The model of moves and what it rests on."""

    model: MoveModel
    moves: int
    """0: the simulator's documented default."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """Means over RUNS seeds."""

    evictions: float
    oom_kills: float
    migrations: float
    freeze_seconds: float
    lost_pod_minutes: float


class WrongPlaces(Exception):
    """The simulator's scheduler dealt the pods out otherwise than the lab."""


def fit(moves: Sequence[Row]) -> Fitted:
    """Return the model of the moves that succeeded, rows of moves.csv.

    The freeze of post-copy does not grow with the memory; that of stop-and-copy is a line through
    the measured ones where their sizes differ, else their mean.
    """
    done = [row for row in moves if float(row["freeze_seconds"]) > 0 and row["frozen_after"]]
    if not done:
        return Fitted(MoveModel(), 0)
    freezes = [float(row["freeze_seconds"]) for row in done]
    sizes = [float(row["bytes"]) / GIB for row in done]
    prepared = [float(row["frozen_after"]) - float(row["asked_after"]) for row in done]
    post_copy = sum(row["copy"] == "PostCopy" for row in done) * 2 >= len(done)
    if post_copy:
        seconds = statistics.mean(freezes)
        wholes = [float(row["total_seconds"]) for row in done]
        after = [max(0.0, w - p - seconds) for w, p in zip(wholes, prepared, strict=True)]
        per_gib = statistics.mean(a / max(s, 0.01) for a, s in zip(after, sizes, strict=True))
    else:
        seconds, per_gib = _line(sizes, freezes)
    wide = max(freezes) / statistics.median(freezes) if len(freezes) >= 5 else 1.15
    model = MoveModel(
        seconds=seconds,
        per_gib=per_gib,
        p95_of_p50=max(1.0, wide),
        prepare=max(0.0, statistics.mean(prepared)),
        post_copy=post_copy,
    )
    return Fitted(model, len(done))


def predict(scene: Scene, mode: str, spec: dict[str, Any], lab: Lab, moves: MoveModel) -> Predicted:
    """Simulate a scene.

    Args:
        scene: what is played.
        mode: off, DryRun or Act; nothing moves but in Act.
        spec: of the RescuePolicy.
        lab: the measured node.
        moves: see `fit`.

    Raises:
        WrongPlaces: see there.
    """
    rules = policy_of(serde.from_dict(RescuePolicySpec, spec, path="spec"))
    scenario = Scenario(
        trace=_trace(scene),
        cluster=Cluster(
            nodes=scene.nodes,
            node_memory=lab.capacity * MIB,
            eviction=lab.threshold * MIB,
            reserved=lab.system * MIB,
        ),
        policy=rules if mode == "Act" else None,
        moves=moves,
        sampling=SAMPLING_SECONDS,
        window=60.0,
        restart_delay=RESTART_SECONDS,
        horizon=float(scene.seconds),
    )
    results = [run(scenario, seed, events=True) for seed in range(RUNS)]
    for result in results:
        _check_places(scene, result)
    return Predicted(
        *(
            statistics.mean(values)
            for values in zip(
                *(
                    (
                        result.evictions,
                        result.oom_kills,
                        result.migrations,
                        result.freeze_seconds,
                        result.lost_pod_seconds / 60.0,
                    )
                    for result in results
                ),
                strict=True,
            )
        )
    )


@dataclass(frozen=True, slots=True)
class Lab:
    """A node of the lab [MiB]."""

    capacity: float
    threshold: float
    system: float
    """Used before any workload is there."""


def _trace(scene: Scene) -> Trace:
    """The scene as a trace; nobody ends before the scene does."""
    pods = tuple(
        TracePod(
            name=actor.name,
            arrival=0.0,
            times=tuple(time for time, _ in actor.points),
            memory=tuple(mib * MIB for _, mib in actor.points),
            lifetime=10.0 * scene.seconds,
            request=actor.request * MIB,
            cpu=0.05,
        )
        for actor in scene.actors
    )
    return Trace(scene.trace, pods, 1.0)


def _check_places(scene: Scene, result: Result) -> None:
    bound: dict[str, str] = {}
    for _, what, pod, node in result.events:
        if what == "bound":
            bound.setdefault(pod, node)
    places = {(actor.node, bound.get(actor.name, "")) for actor in scene.actors}
    if len(places) != scene.nodes:
        raise WrongPlaces(f"{scene.trace}, seed {scene.seed}: {sorted(places)}")


def _line(sizes: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    if len(set(sizes)) < 3:
        return statistics.mean(values), 0.0
    slope, begin = statistics.linear_regression(sizes, values)
    return (begin, slope) if slope > 0 and begin > 0 else (statistics.mean(values), 0.0)
