"""A gate that waits until a node was short of memory several samples in a row."""

from __future__ import annotations

from dataclasses import dataclass

from podferry.policies.args import count, number
from podferry.policies.vocabulary import Command, Move, Node, Snapshot, Verdict
from podferry.policies.words import seconds


@dataclass(frozen=True, slots=True)
class Hysteresis:
    """A node is abnormal after more than `abnormal` bad samples in a row, until `normal` good ones.

    Nothing is remembered: the samples of the node's history are read anew each time.
    """

    free_percent: float = number("a sample with less free memory is bad", 30.0, "%", 0, 100)
    abnormal: int = count("more bad samples in a row than this make it abnormal", 5, 0, 10_000)
    normal: int = count("more good samples in a row than this make it normal again", 3, 0, 10_000)
    max_gap: float = number("samples further apart begin anew", 60.0, "s", 1, 86400)
    max_age: float = number("of the newest sample", 180.0, "s", 1, 86400)

    def check(self, command: Command, moves: tuple[Move, ...], snapshot: Snapshot) -> Verdict:
        """See `Gate`."""
        held = self.holds(command.source, moves, snapshot)
        return held or Verdict(True, f"{command.source} is abnormal")

    def holds(self, source: str, moves: tuple[Move, ...], snapshot: Snapshot) -> Verdict | None:
        """See `NodeGate`."""
        node = snapshot.node(source)
        times = node.history.times
        if not times:
            return Verdict(False, f"no samples of {node.name}")
        age = snapshot.now - times[-1]
        if age > self.max_age:
            why = f"the newest sample of {node.name} is {seconds(age)} old, at most "
            return Verdict(False, f"{why}{seconds(self.max_age)} are allowed")
        abnormal, bad = self._state(node)
        if abnormal:
            return None
        why = (
            f"{bad} samples of {node.name} in a row with less than {self.free_percent:g} % free, "
            f"more than {self.abnormal} are needed"
        )
        return Verdict(False, why)

    def _state(self, node: Node) -> tuple[bool, int]:
        """Return whether the node is abnormal, and how many bad samples its history ends with."""
        highest = node.capacity * (1.0 - self.free_percent / 100.0)
        abnormal, bad, good = False, 0, 0
        before = node.history.times[0]
        for time, used in zip(node.history.times, node.history.values, strict=True):
            if time - before > self.max_gap:
                abnormal, bad, good = False, 0, 0
            before = time
            if used > highest:
                bad, good = bad + 1, 0
                abnormal = abnormal or bad > self.abnormal
            else:
                bad, good = 0, good + 1
                abnormal = abnormal and good <= self.normal
        return abnormal, bad
