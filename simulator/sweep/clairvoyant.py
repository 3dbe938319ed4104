"""The plug-in `oracle` for detector and victim, made for one trace: what could be reached at best.

Owns its name and arguments for policy files. The rule itself is `simulator.oracle`; the controller
never has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from podferry.policies.args import number
from podferry.policies.registry import Tables
from podferry.policies.vocabulary import Choice, Draw, Node, Overload, Snapshot
from podferry.simulator.model import Trace
from podferry.simulator.oracle import Oracle, oracle


def tables(trace: Trace) -> Tables:
    """Return what `policy_from` takes as further plug-ins."""

    @cache
    def seeing(horizon: float, step: float) -> Oracle:
        return oracle(trace, horizon, step)

    @dataclass(frozen=True, slots=True)
    class Clairvoyant:
        """Knows what the pods of the trace will hold."""

        horizon: float = number("how far ahead it looks", 600.0, "s", 1, 86400)
        step: float = number("between two seconds that it looks at", 15.0, "s", 1, 3600)

        def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
            """See `Detector`."""
            return seeing(self.horizon, self.step).detect(node, snapshot)

        def choose(self, node: Node, overload: Overload, snapshot: Snapshot, draw: Draw) -> Choice:
            """See `Victims`."""
            return seeing(self.horizon, self.step).choose(node, overload, snapshot, draw)

    return {"detector": {"oracle": Clairvoyant}, "victim": {"oracle": Clairvoyant}}
