"""Pressure stall information as a second witness of another detector."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from podferry.policies.args import number, one_of, plug_in
from podferry.policies.detectors.seed import Threshold
from podferry.policies.vocabulary import Detector, Node, Overload, Snapshot


@dataclass(frozen=True, slots=True)
class PressureGate:
    """What another detector finds counts only while tasks already wait for memory, and still do."""

    detector: Detector = field(
        default_factory=Threshold, metadata=plug_in("whose overloads are let through", "detector")
    )
    percent: float = number("of time that some task waited, avg60 and avg10", 10.0, "%", 0, 100)
    when_unknown: str = one_of("where there is no cgroup v2", "pass", "pass", "hold")

    def detect(self, node: Node, snapshot: Snapshot) -> Overload | None:
        """See `Detector`."""
        pressure = node.pressure
        if pressure is None:
            if self.when_unknown == "hold":
                return None
            said = "pressure is unknown"
        elif pressure.avg60 >= self.percent and pressure.avg10 >= self.percent:
            said = (
                f"tasks waited {pressure.avg60:g} % of the last 60 s and {pressure.avg10:g} % of "
                f"the last 10 s for memory, at least {self.percent:g} %"
            )
        else:
            return None
        found = self.detector.detect(node, snapshot)
        return None if found is None else replace(found, why=f"{found.why}; {said}")
