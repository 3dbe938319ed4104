"""The page docs/reference/benchmarks.md: everything that one run found. Pure.

A cell that failed is shown as failed with its reason; a number without its n is never shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tools.bench import rows, share
from tools.bench.rows import Move
from tools.bench.stats import Cell, Spread, ratio_of_medians, spread
from tools.bench.wrapper import Row

HEAD = """# Benchmarks

Written by `make bench` (`tools/bench/`); every move is a line of [benchmarks.csv](benchmarks.csv).
Both nodes of the lab share one machine's cores, so source and target compete with each other, with
the control plane and with the client: compare columns of one run, not figures of two machines.

"""

FREEZE = """## Freeze, beside the same protocol by hand

Frozen to resumed, in seconds: median (least-most). Each move has a fresh workload (a counter that
dirties 5 MB/s) on the same nodes; podferry and the script take turns, and swap who goes first.
The script (`tools/bench/by_hand.py`) runs `runc pause`, `runc checkpoint`, a restore that leaves
its tasks stopped, and SIGCONT. It has no shield, no dead-man, no decision, no fsync and no
encryption, and carries CRIU's images through the machine's own file system.
Floor: ratio <= 1.25. Goal: <= 1.0.

"""

SAME_NAME = """
A StatefulSet's replacement must carry the same name and is restored twice, and with PostCopy its
memory is served twice
([decision 0005](../decisions/0005-same-name-owners-rehearse-under-another-name.md)). By hand the
same is done: rehearsal, old pod deleted, same-named pod created, second dump (PostCopy), second
restore. podferry's second dump lies in its `seal` and counts as our share, although it is criu's.
"""

GAP = """
## What a client sees, and the request until the freeze

A client on neither node opens a new TCP connection through the Service's ClusterIP for each
sample, every 4 ms, gives each up after 100 ms, and lets none wait for another. Gap: the longest
time between two answers, from before the request to after the end; median (least-most) in seconds.
`looked every`: the longest time between the begin of two samples in a move, median; where the
machine is busy the client is late too. By hand both pods stay behind the Service until the
source's is deleted.
Prepare: request to freeze. Floor <= 3 s, goal <= 1 s.

"""

SHARE = """
## Our share of the freeze

Medians in milliseconds. A part is ours if neither criu, runc nor kubelet spends it; the parts of a
move add up to its freeze. Floor <= 100 ms, goal <= 30 ms. From the facts and logs of the agents.

"""

MEMORY = """
## Memory

Resident sets in MiB; in parentheses what the kernel charges the container, page cache included.

"""

EXTRA = """
The source's extra memory during a move: the most that the agent and all that it starts (runc, criu,
dead-man, tools) held above what they held before the request, in MiB: median (most), sampled up to
{rate} times a second. Floor <= 64 MiB, goal <= 32 MiB.

"""

WRAPPER = """
## What the runtime wrapper adds to a call

Milliseconds, calls of runc and of `podferry-runc` in alternating pairs on a lab node: median
(quartiles). `nothing`: a program that ends at once in runc's place. `state`, `kill` and `delete`
name a container that does not exist (runc's shortest path); `create` makes one of a pod that is not
to be restored. Floor: <= 2 ms added, goal <= 1 ms.

"""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and how it was measured."""

    cores: int
    memory_gib: float
    processor: str
    kernel: str
    load_before: float
    load_after: float
    command: str
    minutes: float
    versions: str


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one run found; parts that were not measured are empty."""

    machine: Machine
    cells: Sequence[Cell]
    moves: Sequence[Move]
    idle: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Process to its memory at each moment of `MOMENTS`, as text."""
    wrapper: Sequence[Row] = ()
    wrapper_failure: str = ""
    samples_per_second: int = 0
    note: str = ""
    """What the reader must know about the run as a whole."""


MOMENTS = ("before the first move", "after the last move")


def render(report: Report) -> str:
    """The page."""
    text = HEAD + _machine(report)
    text += FREEZE + _table(_freeze(report)) + SAME_NAME + _failures(report)
    text += GAP + _table(_gap(report))
    text += SHARE + _table(_share(report)) + _what()
    if report.idle:
        header = ["process", *MOMENTS]
        text += MEMORY + _table([header, *([name, *told] for name, told in report.idle.items())])
    text += EXTRA.format(rate=report.samples_per_second) + _table(_extra(report))
    text += WRAPPER
    text += f"Failed: {report.wrapper_failure}\n" if report.wrapper_failure else ""
    return text + (_table(_wrapper(report)) if report.wrapper else "")


def _machine(report: Report) -> str:
    found = report.machine
    note = f"\n\n**{report.note}**" if report.note else ""
    return (
        f"`{found.command}`, {found.minutes:.0f} minutes; {found.cores} cores ({found.processor}),"
        f" {found.memory_gib:.0f} GiB, kernel {found.kernel}; load average"
        f" {found.load_before:.1f} before and {found.load_after:.1f} after."
        f" {found.versions}.{note}\n\n"
    )


def _name(cell: Cell) -> list[str]:
    return [cell.owner, f"{cell.mebibytes} MiB", cell.copy]


def _seconds(values: Sequence[float]) -> str:
    found = spread(values)
    return f"{found.median:.2f} ({found.least:.2f}-{found.most:.2f})" if found else "failed"


def _freeze(report: Report) -> list[list[str]]:
    table = [["owner", "memory", "copy", "n", "podferry", "n", "by hand", "ratio of medians"]]
    for cell in report.cells:
        ours, hand = (rows.values(report.moves, cell, by, "freeze") for by in ("podferry", "hand"))
        ratio = ratio_of_medians(ours, hand)
        table.append(
            [
                *_name(cell),
                str(len(ours)),
                _seconds(ours),
                str(len(hand)),
                _seconds(hand),
                f"{ratio:.2f}" if ratio else "-",
            ]
        )
    return table


def _failures(report: Report) -> str:
    lines = [
        f"- {cell.owner}, {cell.mebibytes} MiB, {cell.copy}, {by}: {why}"
        for cell in report.cells
        for by in ("podferry", "hand")
        for why in rows.failures(report.moves, cell, by)
    ]
    return f"\n{len(lines)} moves failed:\n\n" + "\n".join(lines) + "\n" if lines else ""


def _gap(report: Report) -> list[list[str]]:
    head = ["owner", "memory", "copy", "n", "freeze", "gap", "gap - freeze", "looked every"]
    table = [[*head, "gap by hand", "prepare"]]
    for cell in report.cells:

        def of(name: str, by: str = "podferry", cell: Cell = cell) -> list[float]:
            return rows.values(report.moves, cell, by, name)

        freezes, gaps = of("freeze"), of("gap")
        beyond = [gap - freeze for gap, freeze in zip(gaps, freezes, strict=True)]
        spacing = spread(of("sample_spacing"))
        table.append(
            [
                *_name(cell),
                str(len(gaps)),
                _seconds(freezes),
                _seconds(gaps),
                _seconds(beyond),
                f"{spacing.median * 1000:.0f} ms" if spacing else "-",
                _seconds(of("gap", "hand")),
                _seconds(of("prepare")),
            ]
        )
    return table


def _share(report: Report) -> list[list[str]]:
    names = [part.name for part in share.PARTS]
    table = [["owner", "memory", "copy", "n", "**ours**", *names]]
    for cell in report.cells:
        own = rows.values(report.moves, cell, "podferry", "own")
        untold = rows.values(report.moves, cell, "podferry", "freeze") and not own
        cells = ["not told by the agents" if untold else _milliseconds(own, bold=True)]
        cells += [
            _milliseconds(rows.values(report.moves, cell, "podferry", f"part_{name}"))
            for name in names
        ]
        table.append([*_name(cell), str(len(own)), *cells])
    return table


def _milliseconds(values: Sequence[float], *, bold: bool = False) -> str:
    found = spread(values)
    if not found:
        return "-"
    text = f"{found.median * 1000:.0f}"
    return f"**{text}** ({found.least * 1000:.0f}-{found.most * 1000:.0f})" if bold else text


def _what() -> str:
    lines = [
        f"- `{part.name}` ({'ours' if part.ours else 'not ours'}): {part.what}"
        for part in share.PARTS
    ]
    return "\n" + "\n".join(lines) + "\n"


def _extra(report: Report) -> list[list[str]]:
    table = [["owner", "memory", "copy", "n", "resident", "charged"]]
    for cell in report.cells:
        found = [
            spread(rows.values(report.moves, cell, "podferry", name))
            for name in ("extra_rss", "extra_cgroup")
        ]
        told = [f"{item.median:.0f} ({item.most:.0f})" if item else "failed" for item in found]
        n = found[0].n if found[0] else 0
        table.append([*_name(cell), str(n), *told])
    return table


def _wrapper(report: Report) -> list[list[str]]:
    table = [["call", "behind", "n", "directly", "podferry-runc", "added in each pair", "ratio"]]
    for row in report.wrapper:
        told = [_quartiles(item) for item in (row.direct, row.front, row.added)]
        table.append([f"`{row.call}`", row.behind, str(row.added.n), *told, f"{row.ratio:.2f}"])
    return table


def _quartiles(found: Spread) -> str:
    return f"{found.median:.2f} ({found.low:.2f}, {found.high:.2f})"


def _table(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first line is its head."""
    rule = ["---"] * len(lines[0])
    return "".join("| " + " | ".join(line) + " |\n" for line in (lines[0], rule, *lines[1:]))
