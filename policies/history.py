"""How much history a policy looks at, so that the caller keeps neither less nor much more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from podferry.policies.memory import PACE_WINDOW
from podferry.policies.vocabulary import Policy

_COUNTED = ("samples", "fit_samples")
_STREAKS = ("abnormal", "normal")
"""Counted twice: a streak that decides may lie before one that does not."""


def history_needed(policy: Policy, sampling: float) -> float:
    """Return how far back the samples must reach that this policy reads [s].

    Args:
        policy: every rule of it counts, those inside others too.
        sampling: between two samples [s].
    """
    needed = 0.0
    for rule in _rules(policy):
        for name in _COUNTED:
            needed = max(needed, getattr(rule, name, 0) * sampling)
        streaks = sum(getattr(rule, name, 0) for name in _STREAKS)
        needed = max(needed, 2 * streaks * sampling)
        needed = max(needed, getattr(rule, "window", 0.0))
    return max(needed, PACE_WINDOW) + sampling


def _rules(policy: Policy) -> Iterator[Any]:
    for rule in (policy.detector, policy.victims, policy.targets, *policy.gates):
        yield from _nested(rule)


def _nested(rule: Any) -> Iterator[Any]:
    yield rule
    if is_dataclass(rule):
        for each in fields(rule):
            value = getattr(rule, each.name)
            if is_dataclass(value):
                yield from _nested(value)
