"""Runs the whole benchmark in a lab of its own and writes the page: `python -m tools.bench`.

A cell that fails is recorded and the run goes on. A run that is broken off (Ctrl-C, SIGTERM) writes
what it had found, and ends its lab.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import re
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from podferry.lab.cluster import inspect
from podferry.lab.cluster.errors import LabError
from tools.bench import by_hand, by_hand_node, memory, ours, page, rows, stats, workload, wrapper
from tools.bench.api import ApiError
from tools.bench.page import Machine, Report
from tools.bench.rows import Move
from tools.bench.stats import Turn
from tools.bench.world import BenchError, World, standing

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "benchmarks.md"
NUMBER = r"\d+\.\d+[.\w-]*"
MOVERS = {"podferry": ours.move, "hand": by_hand.move}


@dataclass(slots=True)
class Findings:
    """What a run has found so far."""

    moves: list[Move] = field(default_factory=list)
    idle: dict[str, list[str]] = field(default_factory=dict)
    wrapper: list[wrapper.Row] = field(default_factory=list)
    wrapper_failure: str = ""
    versions: str = ""
    note: str = ""
    """Why there are fewer moves than were asked for."""
    complete: bool = False


def say(text: str) -> None:
    """One line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def options(argv: Sequence[str]) -> argparse.Namespace:
    """The command line; `--quick` only fills what was not given."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, help="moves of each cell by each mover [5]")
    parser.add_argument("--sizes", help="MiB of each workload [64,256,1024,2048]")
    parser.add_argument("--pairs", type=int, help="pairs of each runtime call [300]")
    parser.add_argument("--minutes", type=float, default=28, help="no round begins after that [28]")
    parser.add_argument("--quick", action="store_true", help="1 move, 64 and 256 MiB, 20 pairs")
    parser.add_argument("--out", type=Path, default=PAGE, help="page; the CSV goes beside it")
    parser.add_argument("--lab", default="", help="use this running lab with podferry and leave it")
    found = parser.parse_args(argv)
    quick = found.quick
    found.moves = found.moves or (1 if quick else 5)
    found.pairs = found.pairs or (20 if quick else 300)
    found.sizes = [int(text) for text in (found.sizes or _sizes(quick)).split(",")]
    return found


def _sizes(quick: bool) -> str:
    return "64,256" if quick else "64,256,1024,2048"


def measure(world: World, given: argparse.Namespace, found: Findings) -> None:
    """Everything, in the order that disturbs least."""
    began = time.monotonic()
    versions = inspect.status(world.lab)["versions"]
    found.versions = ", ".join(
        f"{name} {(re.findall(NUMBER, str(versions.get(name))) or ['?'])[-1]}"
        for name in ("kubelet", "containerd", "runc", "criu")
    )
    by_hand_node.make_ready(world)
    say(f"the runtime wrapper: {given.pairs} pairs of each call")
    try:
        found.wrapper = wrapper.measure(world, given.pairs)
    except (BenchError, ValueError) as error:
        found.wrapper_failure = str(error)
        say(f"failed: {error}")
    idle(world, found)
    cells = stats.cells(given.sizes)
    play(world, list(stats.turns(cells, given.moves)), began + given.minutes * 60, found)
    idle(world, found)
    found.complete = True


def play(world: World, turns: Sequence[Turn], end: float, found: Findings) -> None:
    """All rounds, but none that would begin after `end` (monotonic seconds)."""
    done = 0
    for number, several in itertools.groupby(turns, key=lambda turn: turn.number):
        if number and time.monotonic() > end:
            found.note = f"Only {number} rounds were made: the time for more was over."
            say(found.note)
            return
        for turn in several:
            done += 1
            found.moves.append(one(world, turn))
            say(f"{done}/{len(turns)} {told(found.moves[-1])}")


def one(world: World, turn: Turn) -> Move:
    """One move; what breaks it becomes its record."""
    try:
        return Move(turn, MOVERS[turn.by](world, turn.cell))
    except (BenchError, ApiError, TimeoutError, LookupError, OSError) as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return Move(turn, why=text[:300].replace("|", "/"))


def told(move: Move) -> str:
    """A move in one line."""
    cell, values = move.turn.cell, move.values
    head = f"{cell.owner} {cell.mebibytes} MiB {cell.copy} by {move.turn.by}"
    if move.why:
        return f"{head}: FAILED {move.why}"
    own = f", ours {values['own'] * 1000:.0f} ms" if "own" in values else ""
    return f"{head}: frozen {values['freeze']:.2f} s, gap {values['gap']:.2f} s{own}"


def idle(world: World, found: Findings) -> None:
    """Note what our processes hold now."""
    pids = {"controller": memory.find(world.lab.cgroup, "controller")}
    for node in (workload.SOURCE, workload.TARGET):
        pids[f"agent, {node}"] = memory.find(world.lab.box_cgroup(node), "agent")
    for name, several in pids.items():
        for index, pid in enumerate(several):
            usage = memory.Group.of_pid(pid).read()
            text = f"{usage.rss / memory.MIB:.0f} ({usage.charged / memory.MIB:.0f})"
            label = f"{name} {index + 1}" if len(several) > 1 else name
            found.idle.setdefault(label, []).append(text)


def report(given: argparse.Namespace, found: Findings, load: float, minutes: float) -> Report:
    """The page's content."""
    machine = Machine(
        cores=os.cpu_count() or 0,
        memory_gib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        processor=_processor(),
        kernel=platform.release().split("-")[0],
        load_before=load,
        load_after=os.getloadavg()[0],
        command=(
            f"make bench BENCH='--moves {given.moves} --pairs {given.pairs}"
            f" --sizes {','.join(str(size) for size in given.sizes)}'"
        ),
        minutes=minutes,
        versions=found.versions or "Versions are not known",
    )
    return Report(
        machine=machine,
        cells=stats.cells(given.sizes),
        moves=found.moves,
        idle={name: told for name, told in found.idle.items() if len(told) == len(page.MOMENTS)},
        wrapper=found.wrapper,
        wrapper_failure=found.wrapper_failure,
        samples_per_second=memory.SAMPLES_PER_SECOND,
        note=found.note
        if found.complete
        else "This run was broken off; what it had found is here.",
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()


def _ended(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(argv: Sequence[str]) -> int:
    """Measure and write; 1 where a move failed, 130 where the run was broken off."""
    given, found = options(argv), Findings()
    load, began = os.getloadavg()[0], time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell had SIGINT ignored for us
        signal.signal(number, _ended)
    try:
        with standing(say, keep=given.lab) as world:
            measure(world, given, found)
    except KeyboardInterrupt:
        say("broken off")
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        if found.moves:
            minutes = (time.monotonic() - began) / 60
            given.out.parent.mkdir(parents=True, exist_ok=True)
            given.out.write_text(page.render(report(given, found, load, minutes)))
            rows.write_csv(given.out.with_suffix(".csv"), found.moves)
            say(f"written: {given.out} and {given.out.with_suffix('.csv').name}")
    failed = any(move.why for move in found.moves) or bool(found.wrapper_failure)
    return 130 if not found.complete else int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
