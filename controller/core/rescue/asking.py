"""What agents are asked for, given the policies. Pure: owns that no detector misses a node.

An agent tells every sample only while its node is urgent. Urgent must be wide enough that a node on
which a detector could fire is urgent, and no wider: each urgent node costs a report a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podferry.policies.detectors.foreseeing import TimeToExhaustion
from podferry.policies.detectors.seed import Never, Threshold
from podferry.policies.history import history_needed
from podferry.policies.vocabulary import Policy
from podferry.wire.memory import Asked

SAMPLING_SECONDS = 1.0
AHEAD_PERCENT = 10.0
"""A node is watched closely before its threshold, so that there is a slope when it gets there."""
LONGEST_MOVE_SECONDS = 300.0
"""Added to the margin of a rule that looks as far ahead as a move takes [s]."""
MOST_HISTORY_SECONDS = 900.0
WAIT_SECONDS = 15.0


def asked(rules: Iterable[Policy]) -> Asked:
    """Return the question to every agent for these policies together."""
    soft, horizon, history = 0.0, 60.0, 120.0
    for policy in rules:
        percent, ahead = _reach(policy.detector)
        soft, horizon = max(soft, percent), max(horizon, ahead)
        history = max(history, history_needed(policy, SAMPLING_SECONDS))
    return Asked(
        wait=WAIT_SECONDS,
        soft=min(100.0, soft),
        horizon=horizon,
        history=min(MOST_HISTORY_SECONDS, history),
    )


def _reach(detector: Any) -> tuple[float, float]:
    """Free memory [%] and time to the threshold [s] above which a detector cannot fire."""
    while hasattr(detector, "detector"):
        detector = detector.detector
    if isinstance(detector, Never):
        return 0.0, 0.0
    if isinstance(detector, Threshold):
        return detector.free_percent + AHEAD_PERCENT, 0.0
    if isinstance(detector, TimeToExhaustion):
        percent = detector.reserve_percent + AHEAD_PERCENT
        return percent, detector.margin + LONGEST_MOVE_SECONDS
    return 100.0, 0.0
