"""Runs a sweep: what is not yet done, in small batches, and keeps each as it comes.

Owns the order (all cells gain seeds evenly, so an interrupted sweep is a smaller sweep) and the
pool of workers. An interruption or a failure leaves every finished batch in the journal.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait

from podferry.simulator.model import Result
from podferry.simulator.sweep import work
from podferry.simulator.sweep.cells import Cell
from podferry.simulator.sweep.journal import Journal

BATCH = 20
"""Seeds that a worker runs between two reports."""
Told = Callable[[int], None]
"""Called with the number of runs that were just finished."""


def todo(cells: Sequence[Cell], journal: Journal) -> list[work.Batch]:
    """Return the batches that are missing, the first seeds of every cell first."""
    rounds: dict[int, list[work.Batch]] = {}
    for at, cell in enumerate(cells):
        done = journal.of(cell.key())
        missing = [seed for seed in cell.seeds if seed not in done]
        for turn, start in enumerate(range(0, len(missing), BATCH)):
            rounds.setdefault(turn, []).append((at, tuple(missing[start : start + BATCH])))
    return [batch for turn in sorted(rounds) for batch in rounds[turn]]


def sweep(
    cells: Sequence[Cell],
    journal: Journal,
    bench: work.Bench,
    *,
    workers: int = 1,
    limit: float | None = None,
    told: Told = lambda runs: None,
) -> None:
    """Run what is missing; returns when all is done.

    Args:
        cells: what to run.
        journal: has what was done before, gets the rest.
        bench: the same cells, for this process.
        workers: processes; 1: this one.
        limit: memory that a trace may take in a worker [bytes].
        told: progress.

    Raises:
        KeyboardInterrupt: finished batches are in the journal.
    """
    batches = todo(cells, journal)
    keys = [cell.key() for cell in cells]
    source = _alone(batches, bench) if workers == 1 else _pool(cells, batches, workers, limit)
    for (at, _), results in source:
        journal.add(keys[at], results)
        told(len(results))


Done = tuple[work.Batch, list[Result]]


def _alone(batches: list[work.Batch], bench: work.Bench) -> Iterator[Done]:
    for at, seeds in batches:
        for seed in seeds:
            one = (at, (seed,))
            yield one, bench.batch(one)


def _pool(
    cells: Sequence[Cell], batches: list[work.Batch], workers: int, limit: float | None
) -> Iterator[Done]:
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=work.begin,
        initargs=(list(cells), limit),
    )
    try:
        waiting = iter(batches)
        running: set[Future[Done]] = set()
        while True:
            # A short queue: an interrupt waits for no more than what runs.
            for batch in waiting:
                running.add(pool.submit(work.work, batch))
                if len(running) >= 2 * workers:
                    break
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
