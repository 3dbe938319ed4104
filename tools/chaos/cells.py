"""The cells of the fault matrix and the random sequences: what is run, from a seed alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from .moves import MOVES, fits, happen
from .run import SETTLE_SECONDS, Report, run
from .victims import COPIES, KINDS, STEPS, VICTIMS, strike
from .world import World

SHORT_SECONDS = 12.0
"""To settle after a killed process, which is back within 6 s."""
LATEST_SECONDS = 0.4
"""How far into a step a fault strikes at the latest, if its seed is not 0."""


@dataclass(frozen=True)
class Cell:
    """One fault in one step of one kind of move."""

    fault: str
    step: str
    copy: str
    kind: str

    def __str__(self) -> str:
        return f"{self.fault} / {self.step} / {self.copy} / {self.kind}"


@dataclass(frozen=True)
class Outcome:
    """A cell that was run, or why there was nothing to run (`why_not`)."""

    cell: Cell
    report: Report | None
    why_not: str = ""


def matrix() -> Iterator[Cell]:
    """Victims x steps x copies x kinds: the full product."""
    for fault in VICTIMS:
        yield from _cells(fault)


def moves() -> Iterator[Cell]:
    """What else moves x steps x copies x kinds."""
    for fault in MOVES:
        yield from _cells(fault)


def _cells(fault: str) -> Iterator[Cell]:
    for copy in COPIES:
        for kind in KINDS:
            for step in STEPS:
                yield Cell(fault, step, copy, kind)


def run_cell(cell: Cell, seed: int, *, first: bool = False) -> Outcome:
    """Run one cell. Seed 0 strikes at the very beginning of the step."""
    if cell.fault in MOVES and not fits(cell.fault, cell.kind):
        return Outcome(cell, None, f"does not happen to {cell.kind}")
    world = World(cell.kind, cell.copy, seed, first)
    delay = world.sim.rng.random() * LATEST_SECONDS if seed else 0.0
    hits: list[str] = []

    def inject(world: World) -> list[str]:
        act = happen if cell.fault in MOVES else strike
        act(world, cell.step, cell.fault, delay, hits)
        return hits

    moves = cell.fault in MOVES
    report = run(world, inject, SETTLE_SECONDS if moves else SHORT_SECONDS)
    if not hits:
        return Outcome(cell, None, f"no {cell.fault} lives there")
    return Outcome(cell, report)


def run_random(seed: int, *, first: bool = False) -> tuple[World, Report]:
    """A random kind of move with two to four random faults, all from the seed."""
    rng = random.Random(seed)  # noqa: S311 a seed that can be replayed is the point
    kind, copy = rng.choice(KINDS), rng.choice(COPIES)
    faults = [*VICTIMS, *(move for move in MOVES if fits(move, kind))]
    picked = [
        (rng.choice(faults), rng.choice(STEPS), rng.random()) for _ in range(rng.choice((2, 3, 4)))
    ]
    world = World(kind, copy, seed, first)
    hits: list[str] = []

    def inject(world: World) -> list[str]:
        for fault, step, delay in picked:
            (happen if fault in MOVES else strike)(world, step, fault, delay, hits)
        return hits

    return world, run(world, inject)
