"""Which looks of a policy can be skipped because nothing can come of them.

Owns, for each rule that it knows, a level or a time outside which the rule never acts. A rule that
it does not know is asked every time: slower, never wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from podferry.simulator.model import Scenario


@dataclass(frozen=True, slots=True)
class Skips:
    """Bounds that hold for every node."""

    hot: float = -inf
    """The detector is silent about a node that has sampled less than this [bytes]."""
    back_off: int = -1
    """A gate refuses all while a move is under way, and so long after the last end [s]; -1: none."""
    cordon_above: float = inf
    """The cordoner is content with a schedulable node below this [bytes]."""
    uncordon_below: float = -inf
    """The cordoner is content with a cordoned node above this [bytes]."""


def skips(scenario: Scenario) -> Skips:
    """Return what is known of the scenario's policy."""
    policy = scenario.policy
    if policy is None:
        return Skips()
    if policy.cordoner is None:
        return Skips()
    return Skips(cordon_above=-inf, uncordon_below=inf)
