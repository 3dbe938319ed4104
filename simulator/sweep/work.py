"""Runs seeds of cells: in this process, or as a worker of a pool.

Owns what a worker keeps between two batches: traces and scenarios, made from plain data where it
runs. The engine, and with it numpy, is imported here and only when something is run.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from podferry.api.errors import PreconditionError
from podferry.policies.registry import policy_from
from podferry.policies.vocabulary import Policy
from podferry.simulator import traces
from podferry.simulator.errors import BadInput, MissingExtra
from podferry.simulator.model import Result, Scenario, Trace
from podferry.simulator.sweep import clairvoyant, settings
from podferry.simulator.sweep.cells import Cell, PolicyMapping


class Engine(NamedTuple):
    """What runs a scenario."""

    prepare: Callable[[Scenario], Any]
    """What all seeds of a cell share, made once."""
    run: Callable[[Any, int], Result]
    """One seed of what was prepared."""


KEPT = 32
"""Prepared cells that a worker keeps."""
Batch = tuple[int, tuple[int, ...]]
"""Index of a cell, seeds."""


def engine() -> Engine:
    """Return the engine.

    Raises:
        MissingExtra: its libraries are not installed.
    """
    try:
        found = importlib.import_module("podferry.simulator.engine")
        return Engine(found.prepare, found.run)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("podferry"):
            raise
        raise MissingExtra(error.name) from None


def policy_of(mapping: PolicyMapping | None, trace: Trace, place: str) -> Policy | None:
    """Return the policy that a mapping describes; None stays None.

    `trace`: what the plug-in `oracle` foresees.

    Raises:
        BadInput: unknown rule or argument, or a contradiction.
    """
    if mapping is None:
        return None
    try:
        return policy_from(mapping, clairvoyant.tables(trace))
    except PreconditionError as error:
        raise BadInput(f"{place}: {error.message}") from None


class Bench:
    """The cells of a sweep, ready to be run."""

    def __init__(self, cells: Sequence[Cell], limit: float | None = None) -> None:
        """`limit`: memory that a trace may take [bytes]."""
        self._cells = cells
        self._limit = limit
        self._traces: dict[str, Trace] = {}
        self._prepared: OrderedDict[int, Any] = OrderedDict()

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
        for cell in self._cells:
            place = f"{cell.group} ({cell.label})"
            trace = self.trace(cell.values["trace"])
            policy = policy_of(cell.policy, trace, place)
            if policy is not None and policy.period != int(policy.period):
                raise BadInput(f"{place}: period: {policy.period:g} s; whole seconds are simulated")
            settings.fits(settings.cluster(cell.values), trace, place)

    def batch(self, batch: Batch) -> list[Result]:
        """Run some seeds of one cell."""
        at, seeds = batch
        made = engine()
        if self._cells[at].values["resample"] == "each-run":
            return [made.run(made.prepare(self.scenario(at, seed)), seed) for seed in seeds]
        if at not in self._prepared:
            self._prepared[at] = made.prepare(self.scenario(at, seeds[0]))
            if len(self._prepared) > KEPT:
                self._prepared.popitem(last=False)
        return [made.run(self._prepared[at], seed) for seed in seeds]

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
        return settings.scenario(values, trace, policy_of(cell.policy, trace, cell.group))

    def _scaled(self, original: Trace, scale: int) -> Trace:
        name = f"{original.name} x{scale}"
        if name not in self._traces:
            self._traces[name] = traces.resample(original, scale, 0)
        return self._traces[name]


_bench: Bench | None = None


def begin(cells: Sequence[Cell], limit: float | None) -> None:
    """Make this process a worker: an interrupt is the parent's to handle; it ends with it."""
    global _bench
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _bench = Bench(cells, limit)


def _end_with_parent() -> None:
    """A parent that is killed tells nobody: without this its workers would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def work(batch: Batch) -> tuple[Batch, list[Result]]:
    """Run a batch in a worker."""
    assert _bench is not None
    return batch, _bench.batch(batch)
