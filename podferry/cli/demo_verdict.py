"""What the two scenes of the demo show, side by side, and what of it does not hold. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from podferry.cli import timeline
from podferry.cli.records import Failure, Record

WIDTH = 50
"""Of a column, in characters."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the demo found: lines for a person and what does not hold."""

    lines: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClientSaw:
    """What the client of one service saw over a scene."""

    answers: int
    last: int
    """The highest number of the first process."""
    processes: int
    """How many different ones answered."""
    began_again_at: int
    """The first number of the second process; 0: one process throughout."""
    gap: float
    """Longest time without an answer [s]."""
    wrong: int
    """Numbers of one process that are missing, double or out of order."""
    unanswered: int


@dataclass(frozen=True, slots=True)
class Side:
    """One scene, measured; times are seconds from its start, sizes MiB."""

    mode: str
    used: float
    capacity: float
    threshold: float
    decided: float | None
    evicted: float | None
    evictions: tuple[str, ...]
    oom_kills: tuple[str, ...]
    moves: tuple[dict[str, Any], ...]
    clients: Mapping[str, ClientSaw]
    away: str


def client_of(found: list[Record], failures: list[Failure]) -> ClientSaw:
    """Sum up a client's records."""
    boots = list(dict.fromkeys(record.boot_id for record in found))
    first = [record.number for record in found if boots and record.boot_id == boots[0]]
    second = [record.number for record in found if len(boots) > 1 and record.boot_id == boots[1]]
    wrong = sum(
        1 for a, b in pairwise(found) if a.boot_id == b.boot_id and b.number != a.number + 1
    )
    return ClientSaw(
        answers=len(found),
        last=max(first, default=0),
        processes=len(boots),
        began_again_at=min(second, default=0),
        gap=max((b.seconds - a.seconds for a, b in pairwise(found)), default=0.0),
        wrong=wrong,
        unanswered=len(failures),
    )


def judge(act: Side, dry: Side) -> Report:
    """Compare the scene with podferry and the one without."""
    rows: list[tuple[str, Callable[[Side], str]]] = [
        ("node-a at its fullest", _fullest),
        ("podferry", _podferry),
        ("moves taken back", _taken_back),
        ("kubelet evicted", _evicted),
    ]
    lines = [_row("", "WITH PODFERRY", "WITHOUT"), _row("", "-" * 13, "-" * 7)]
    lines += [_row(name, of(act), of(dry)) for name, of in rows]
    for service in act.clients:
        told = [_client(side.clients[service]) for side in (act, dry)]
        lines.append(_row(f"client of {service}", told[0][0], told[1][0]))
        lines.append(_row("", told[0][1], told[1][1]))
    return Report(tuple(lines), tuple([*_problems(act), *_problems_without(dry)]))


def _problems(act: Side) -> list[str]:
    found = []
    if act.evictions or act.oom_kills:
        lost = ", ".join([*act.evictions, *act.oom_kills])
        found.append(f"with podferry {lost} was lost to a full node")
    done = [move for move in act.moves if (move.get("status") or {}).get("phase") == "Succeeded"]
    if len(done) != 1:
        found.append(f"with podferry {len(done)} moves succeeded, one was expected")
    for name, saw in act.clients.items():
        if saw.processes != 1 or saw.wrong:
            found.append(
                f"the client of {name} was answered by {saw.processes} processes and got "
                f"{saw.wrong} numbers out of turn; one process and none were promised"
            )
    return found


def _problems_without(dry: Side) -> list[str]:
    found = []
    if not dry.evictions and not dry.oom_kills:
        found.append("without podferry no pod was lost, so there was nothing to rescue")
    if dry.moves:
        found.append(f"in DryRun {len(dry.moves)} moves were asked for; none were expected")
    return found


def _fullest(side: Side) -> str:
    left = side.capacity - side.used
    return f"{left:.0f} MiB available (threshold {side.threshold:.0f})"


def _podferry(side: Side) -> str:
    if side.mode != "Act":
        if side.decided is None:
            return "DryRun: never wanted to move"
        return f"DryRun: would move at {side.decided:.0f} s"
    when = "" if side.decided is None else f" at {side.decided:.0f} s"
    told = []
    for move in side.moves:
        status = move.get("status") or {}
        if status.get("phase") == "Succeeded":
            name = _service(side, str(move["spec"]["workloadRef"]["name"]))
            frozen = timeline.seconds((status.get("measured") or {}).get("freezeSeconds"))
            told.append(f"moved {name} to {side.away}{when}, frozen {frozen}")
    return "; ".join(told) or "moved nobody"


def _service(side: Side, workload: str) -> str:
    """A rescue names the pod; people know the service."""
    return next((one for one in side.clients if workload.startswith(f"{one}-")), workload)


def _taken_back(side: Side) -> str:
    ends = [(move.get("status") or {}).get("phase") for move in side.moves]
    return str(sum(end != "Succeeded" for end in ends) or "none")


def _evicted(side: Side) -> str:
    if not side.evictions and not side.oom_kills:
        return "nobody"
    when = "" if side.evicted is None else f" after {side.evicted:.0f} s"
    kills = f"; OOM kills: {', '.join(side.oom_kills)}" if side.oom_kills else ""
    return (", ".join(side.evictions) or "nobody") + when + kills


def _client(saw: ClientSaw) -> tuple[str, str]:
    gap = f"longest gap {timeline.seconds(saw.gap)}, {saw.unanswered} unanswered"
    if not saw.answers:
        return "got no answer", ""
    if saw.processes == 1:
        return gap, f"counts 1 to {saw.last} without a break"
    return gap, f"counted to {saw.last}, then again from {saw.began_again_at}: lost"


def _row(name: str, left: str, right: str) -> str:
    return f"  {name:<22} {left:<{WIDTH}} {right}".rstrip()
