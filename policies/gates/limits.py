"""Gates that keep moves few: a cool-down of each pod, budgets of nodes, cluster and workloads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from podferry.policies.args import count, number
from podferry.policies.vocabulary import Command, Move, Snapshot, Verdict
from podferry.policies.words import seconds


@dataclass(frozen=True, slots=True)
class CoolDown:
    """A pod that was moved stays where it is, twice as long after each further move of a day.

    `max(base, duration of the last move) * 2 ** (moves within the span - 1)`, capped.
    """

    base: float = number("after the first move", 900.0, "s", 0, 86400)
    span: float = number("moves that ended within it count", 86400.0, "s", 1, 604800)
    cap: float = number("never longer", 21600.0, "s", 0, 604800)

    def check(self, command: Command, moves: tuple[Move, ...], snapshot: Snapshot) -> Verdict:
        """See `Gate`; failed moves count as well, so that they are not tried without end."""
        now = snapshot.now
        earlier = [
            (move.ended, move.ended - move.begun)
            for move in moves
            if move.pod == command.pod and move.ended is not None and move.ended > now - self.span
        ]
        if not earlier:
            return Verdict(True, f"not moved in the last {seconds(self.span)}")
        ended, duration = max(earlier)
        doubled = max(self.base, duration) * 2.0 ** min(len(earlier) - 1, 60)
        until = ended + min(self.cap, doubled)
        if now >= until:
            return Verdict(True, f"moved {seconds(now - ended)} ago, long enough")
        why = (
            f"moved {len(earlier)} times in the last {seconds(self.span)}, "
            f"{seconds(now - ended)} ago: it stays for {seconds(until - now)} more"
        )
        return Verdict(False, why, until=until)


@dataclass(frozen=True, slots=True)
class Budgets:
    """So many moves at the same time, and so many of one workload in a span; 0: no limit."""

    node_out: int = count("moves under way from one node", 2, 0, 1000)
    node_in: int = count("moves under way to one node", 2, 0, 1000)
    cluster: int = count("moves under way in the cluster", 5, 0, 10_000)
    workload: int = count("moves of one workload begun within the span", 3, 0, 1000)
    span: float = number("of the workload's budget", 3600.0, "s", 1, 604800)

    def check(self, command: Command, moves: tuple[Move, ...], snapshot: Snapshot) -> Verdict:
        """See `Gate`; moves decided in the same decision count as under way."""
        refused = self.refuses(command.source, moves)
        if refused is not None:
            return refused
        under_way = [move for move in moves if move.ended is None]
        used = _count(under_way, "target", command.target)
        if self.node_in and used >= self.node_in:
            return _spent(used, f"to {command.target}", self.node_in)
        since = snapshot.now - self.span
        begun = sorted(
            move.begun for move in moves if move.pod == command.pod and move.begun > since
        )
        if self.workload and len(begun) >= self.workload:
            why = (
                f"moved {len(begun)} times in the last {seconds(self.span)}, "
                f"{self.workload} are allowed"
            )
            return Verdict(False, why, until=begun[-self.workload] + self.span)
        return Verdict(True, "within all budgets")

    def refuses(self, source: str, moves: tuple[Move, ...]) -> Verdict | None:
        """See `SourceGate`."""
        under_way = [move for move in moves if move.ended is None]
        used = _count(under_way, "source", source)
        if self.node_out and used >= self.node_out:
            return _spent(used, f"from {source}", self.node_out)
        if self.cluster and len(under_way) >= self.cluster:
            return _spent(len(under_way), "in the cluster", self.cluster)
        return None


def _spent(used: int, where: str, budget: int) -> Verdict:
    return Verdict(False, f"{used} moves {where} are under way, {budget} are allowed")


def _count(moves: Iterable[Move], end: str, node: str) -> int:
    return sum(1 for move in moves if getattr(move, end) == node)
