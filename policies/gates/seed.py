"""The two checkers of the 2022 work: one move at a time, or moves queued on a link.

What they remember lies in the moves; a move without an expected end is taken to go on until now.
"""

from __future__ import annotations

from dataclasses import dataclass

from podferry.policies.args import count, number, one_of
from podferry.policies.vocabulary import Command, Move, Snapshot, Verdict
from podferry.policies.words import seconds


def expected_end(move: Move, now: float) -> float:
    """Return when the move was over, or should be; never before now while it is under way [s]."""
    if move.ended is not None:
        return move.ended
    return now if move.expected_end is None else max(now, move.expected_end)


@dataclass(frozen=True, slots=True)
class Blocking:
    """Nothing begins while a move is under way, nor for a while after the last one."""

    backoff: float = number("quiet time after the last move", 30.0, "s", 0, 86400)

    def check(self, command: Command, moves: tuple[Move, ...], snapshot: Snapshot) -> Verdict:
        """See `Gate`. Further pods of the same node in the same decision queue behind the first."""
        held = self.holds(command.source, moves, snapshot)
        if held is not None:
            return held
        ends = [expected_end(move, snapshot.now) for move in moves if move.queued]
        if ends:
            return Verdict(True, "after the pods of this node before it", start=max(ends))
        return Verdict(True, "no move is under way")

    def holds(self, source: str, moves: tuple[Move, ...], snapshot: Snapshot) -> Verdict | None:
        """See `NodeGate`: the seed asks its checker once a node, before it looks for pods."""
        for move in moves:
            if move.queued:
                if move.source != source:
                    return Verdict(False, f"this decision already moves pods of {move.source}")
            elif move.ended is None:
                why = f"{move.pod} is being moved from {move.source} to {move.target}"
                return Verdict(False, why, until=move.expected_end)
            elif move.ended + self.backoff > snapshot.now:
                until = move.ended + self.backoff
                why = f"{move.pod} was moved {seconds(snapshot.now - move.ended)} ago"
                return Verdict(False, f"{why}, {seconds(self.backoff)} must pass", until=until)
        return None


@dataclass(frozen=True, slots=True)
class Concurrent:
    """Moves that share a link follow one another; each gets its time to start."""

    streams: int = count("moves that share a link at the same time", 1, 1, 1000)
    link: str = one_of(
        "what is shared: each node's own link, or one for all", "node", "node", "cluster"
    )

    def check(self, command: Command, moves: tuple[Move, ...], snapshot: Snapshot) -> Verdict:
        """See `Gate`; never refuses."""
        now = snapshot.now
        if self.link == "cluster":
            start = self._free_at([move for move in moves if move.ended is None], now)
            where = "the link of the cluster"
        else:
            ends = {
                name: self._free_at([move for move in moves if _uses(move, name)], now)
                for name in (command.source, command.target)
            }
            name = max(ends, key=lambda each: ends[each])
            start, where = ends[name], f"the link of {name}"
        if start <= max(now, command.start):
            return Verdict(True, "the link is free")
        return Verdict(True, f"{where} is free in {seconds(start - now)}", start=start)

    def _free_at(self, moves: list[Move], now: float) -> float:
        """Return when fewer than `streams` of these moves are left on their link [s]."""
        ends = sorted((expected_end(move, now) for move in moves), reverse=True)
        return ends[self.streams - 1] if len(ends) >= self.streams else now


def _uses(move: Move, node: str) -> bool:
    return move.ended is None and node in (move.source, move.target)
