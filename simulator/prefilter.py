"""Which looks of a policy can be skipped because nothing can come of them.

Owns, for each rule that it knows, a test that is never silent where the rule would act: the rule's
own arithmetic on the same samples with a little slack, or a bound of it. Whatever passes is decided
by the rule itself. A rule that is not known here is asked every time: slower, never wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from podferry.policies.cordon.seed import FreeMemory
from podferry.policies.detectors.foreseeing import (
    Holt,
    LocalRegression,
    RobustRegression,
    TimeToExhaustion,
)
from podferry.policies.detectors.pressure import PressureGate
from podferry.policies.detectors.seed import Slope, Threshold
from podferry.policies.detectors.trailing import Iqr, KOfN, LastMean, Mad, NSigma
from podferry.policies.gates.seed import Blocking
from podferry.policies.vocabulary import Cordoner, Detector, Gate
from podferry.simulator.model import Scenario

ALWAYS, NEVER, LEVEL, SPREAD, SIGMAS, LINE, SMOOTH, EXHAUSTION, PODS = range(9)
"""Kinds of tests; `kernels.py` has their arithmetic."""

SLACK = 1e-6
"""Of the limit: what rounding may differ between a rule and its test."""


@dataclass(frozen=True, slots=True)
class Skips:
    """What is known of a policy."""

    detector: int = ALWAYS
    samples: int = 0
    """Newest samples of a node that the test reads."""
    needed: int = 0
    """With fewer only the level counts."""
    level: float = inf
    """Used memory from which on the newest samples alone are enough to ask [bytes]."""
    a: float = 0.0
    b: float = 0.0
    c: float = 0.0
    margin: float = 0.0
    back_off: float = -1.0
    """A gate refuses all while a move is under way and so long after its end [s]; -1: none."""
    cordon_above: float = inf
    """The cordoner is content with a schedulable node below this [bytes]."""
    uncordon_below: float = -inf
    """The cordoner is content with a cordoned node above this [bytes]."""


def skips(scenario: Scenario) -> Skips:
    """Return what is known of the scenario's policy."""
    policy = scenario.policy
    if policy is None:
        return Skips()
    cluster = scenario.cluster
    above, below = content(policy.cordoner, cluster.node_memory)
    return replace(
        of_detector(policy.detector, cluster.node_memory, cluster.node_memory - cluster.eviction),
        back_off=quiet_after(policy.gates),
        cordon_above=above,
        uncordon_below=below,
    )


def of_detector(detector: Detector, capacity: float, limit: float) -> Skips:
    """Return the test of a detector, on nodes of that capacity and that limit [bytes]."""
    fallback = getattr(detector, "fallback_percent", 0.0) / 100.0 * limit
    match detector:
        case Threshold(free_percent=free):
            return Skips(LEVEL, 1, 0, (1.0 - free / 100.0) * capacity)
        case LastMean(used_percent=used, samples=samples):
            return Skips(LEVEL, samples, samples, used / 100.0 * limit)
        case KOfN(used_percent=used, samples=samples):
            return Skips(LEVEL, max(2, samples), 0, used / 100.0 * limit)
        case Mad(safety=safety) | Iqr(safety=safety):
            return Skips(SPREAD, detector.samples, detector.min_samples, fallback, safety)
        case NSigma(sigmas=sigmas):
            return Skips(SIGMAS, detector.samples, detector.min_samples, fallback, sigmas)
        case LocalRegression(samples=samples, safety=safety):
            return Skips(LINE, samples, samples, fallback, safety)
        case RobustRegression(samples=samples, safety=safety):
            return Skips(LINE, samples, samples, fallback, safety, 1.0)
        case PressureGate(when_unknown="pass"):
            return of_detector(detector.detector, capacity, limit)
        case PressureGate():
            return Skips(NEVER)  # the simulator has no pressure, and the rule holds without
        case _:
            return _ahead(detector, capacity, limit)


def _ahead(detector: Detector, capacity: float, limit: float) -> Skips:
    match detector:
        case Holt(alpha=alpha, beta=beta, safety=safety):
            least = detector.fallback_percent / 100.0 * limit
            margin = detector.margin
            return Skips(SMOOTH, detector.samples, 2, least, alpha, beta, safety, margin)
        case TimeToExhaustion(window=window, margin=margin):
            room = limit - detector.reserve_percent / 100.0 * capacity
            return Skips(EXHAUSTION, 0, 0, room, window, margin)
        case Slope(window=window, look_ahead=ahead, unknown_slope=unknown):
            least = (1.0 - detector.free_percent / 100.0) * capacity
            return Skips(PODS, 0, 0, least, window, ahead, unknown)
        case _:
            return Skips()


def quiet_after(gates: tuple[Gate, ...]) -> float:
    """Return the longest quiet time of gates that let one move at a time be, -1 without one."""
    return max((gate.backoff for gate in gates if isinstance(gate, Blocking)), default=-1.0)


def content(cordoner: Cordoner | None, capacity: float) -> tuple[float, float]:
    """Return above what a node may be cordoned, and below what opened again [bytes]."""
    if cordoner is None:
        return inf, -inf
    if isinstance(cordoner, FreeMemory):
        above = (1.0 - cordoner.free_percent / 100.0) * capacity
        below = above - cordoner.distance_percent / 100.0 * capacity
        return above * (1.0 - SLACK), below * (1.0 + SLACK) + 1.0
    return -inf, inf
