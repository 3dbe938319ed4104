"""Runs seeds of cells: in this process, or as a worker of a pool.

Owns what a worker keeps between two batches: traces and scenarios, made from plain data where it
runs. The engine, and with it numpy, is imported here and only when something is run.
"""

from __future__ import annotations

import importlib
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from podferry.api.errors import PreconditionError
from podferry.policies.vocabulary import Policy
from podferry.simulator import traces
from podferry.simulator.errors import BadInput, MissingExtra
from podferry.simulator.model import Result, Scenario, Trace
from podferry.simulator.sweep import settings
from podferry.simulator.sweep.cells import Cell, PolicyMapping

Run = Callable[[Scenario, int], Result]
Batch = tuple[int, tuple[int, ...]]
"""Index of a cell, seeds."""


def engine() -> Run:
    """Return the engine's `run`.

    Raises:
        MissingExtra: its libraries are not installed.
    """
    try:
        found: Run = importlib.import_module("podferry.simulator.engine").run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("podferry"):
            raise
        raise MissingExtra(error.name) from None
    return found


def policy_of(mapping: PolicyMapping | None, place: str) -> Policy | None:
    """Return the policy that a mapping describes; None stays None.

    Raises:
        BadInput: unknown rule or argument, or a contradiction.
    """
    if mapping is None:
        return None
    from podferry.policies.registry import policy_from

    try:
        return policy_from(mapping)
    except PreconditionError as error:
        raise BadInput(f"{place}: {error.message}") from None


class Bench:
    """The cells of a sweep, ready to be run."""

    def __init__(self, cells: Sequence[Cell], limit: float | None = None, run: Run | None = None):
        """`limit`: memory that a trace may take [bytes]; `run`: None is the engine."""
        self._cells = cells
        self._limit = limit
        self._run = run
        self._traces: dict[str, Trace] = {}
        self._policies: dict[int, Policy | None] = {}

    def trace(self, name: str) -> Trace:
        """Return a trace, read once.

        Raises:
            BadInput: it cannot be read.
        """
        if name not in self._traces:
            self._traces[name] = traces.load(name, self._limit)
        return self._traces[name]

    def check(self) -> None:
        """Refuse a cell that cannot be simulated, before any is.

        Raises:
            BadInput: names the cell.
        """
        for at, cell in enumerate(self._cells):
            place = f"{cell.group} ({cell.label})"
            self._policy(at, place)
            settings.fits(settings.cluster(cell.values), self.trace(cell.values["trace"]), place)

    def batch(self, batch: Batch) -> list[Result]:
        """Run some seeds of one cell."""
        at, seeds = batch
        run = self._run or engine()
        return [run(self.scenario(at, seed), seed) for seed in seeds]

    def scenario(self, at: int, seed: int) -> Scenario:
        """Return the scenario of the cell at index `at` for a seed."""
        cell = self._cells[at]
        values: dict[str, Any] = dict(cell.values)
        original = self.trace(values["trace"])
        if values["resample"] == "each-run":
            trace = traces.resample(original, values["scale"], seed)
        elif values["scale"] > 1:
            trace = self._scaled(original, values["scale"])
        else:
            trace = original
        return settings.scenario(values, trace, self._policy(at, cell.group))

    def _scaled(self, original: Trace, scale: int) -> Trace:
        name = f"{original.name} x{scale}"
        if name not in self._traces:
            self._traces[name] = traces.resample(original, scale, 0)
        return self._traces[name]

    def _policy(self, at: int, place: str) -> Policy | None:
        if at not in self._policies:
            self._policies[at] = policy_of(self._cells[at].policy, place)
        return self._policies[at]


_bench: Bench | None = None


def begin(cells: Sequence[Cell], limit: float | None) -> None:
    """Make this process a worker: an interrupt is the parent's to handle."""
    global _bench
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _bench = Bench([replace(cell) for cell in cells], limit)


def work(batch: Batch) -> tuple[Batch, list[Result]]:
    """Run a batch in a worker."""
    assert _bench is not None
    return batch, _bench.batch(batch)
