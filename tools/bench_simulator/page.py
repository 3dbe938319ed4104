"""Writes simulator-speed.md and .csv from what was timed. Pure."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from statistics import median, quantiles

from tools.bench_simulator.subjects import Timed

GOAL, FLOOR = 20.0, 50.0


def spread(seconds: tuple[float, ...]) -> tuple[float, float, float]:
    """Return median and the 10th and 90th percentiles [ms]."""
    tenths = quantiles(seconds, n=10, method="inclusive")
    return median(seconds) * 1e3, tenths[0] * 1e3, tenths[-1] * 1e3


def rows(fast: list[Timed], plain: Timed) -> str:
    """Return a CSV line for each subject: name, n, median, p10, p90 [ms], pod-samples of a run."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["subject", "n", "median_ms", "p10_ms", "p90_ms", "pod_samples"])
    for timed in (*fast, plain):
        figures = [f"{each:.3f}" for each in spread(timed.seconds)]
        writer.writerow([timed.name, len(timed.seconds), *figures, timed.pod_samples])
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Swept:
    """A sweep through the command line."""

    cells: int
    seeds: int
    """Of each cell."""
    workers: int
    seconds: float
    """By the clock."""


def page(
    fast: list[Timed],
    plain: Timed,
    large: dict[str, float],
    machine: str,
    compile_s: float,
    swept: Swept,
) -> str:
    """Return the page."""
    table = "\n".join(_row(timed) for timed in fast)
    bare = fast[0]
    ratio = median(plain.seconds) / median(bare.seconds)
    rate = bare.pod_samples / median(bare.seconds) / 1e6
    slow, low, high = spread(plain.seconds)
    samples = large["pod_samples"] / large["cpu_s"] / 1e6
    each = swept.seconds * swept.workers / (swept.cells * swept.seeds) * 1e3
    return f"""# Speed of the simulator

Written by `python -m tools.bench_simulator` (`tools/bench_simulator/`); figures are in
[simulator-speed.csv](simulator-speed.csv). CPU time of one core;
{machine}.

## One run of the o10n trace

500 pods, 4 hours, sampled every 15 s, looked at every 15 s, on 4 nodes of 450 GiB without
requests. Median (10th to 90th percentile); every seed runs all rows, one after the other.
Goal: {GOAL:g} ms with a policy; floor: {FLOOR:g} ms.

| policy | n | ms a run |
| --- | --- | --- |
{table}

Without a policy that is {rate:.1f} million samples of pods a second (goal: 1 million).
The plain Python engine of the tests (`tests/simulator_reference`), which looks at every second
and skips nothing, takes {slow:.0f} ms ({low:.0f}-{high:.0f}, n = {len(plain.seconds)})
in the same run: {ratio:.0f} times as long.

The first run of a process whose machine code is not in the cache took
{compile_s:.0f} s of CPU, nearly all of it to compile.

## A sweep

`podferry simulate --sweep`, {swept.cells} cells (five detectors, six victim rules, 4 nodes) of
{swept.seeds} seeds on {swept.workers} workers: {swept.seconds:.0f} s by the clock,
{each:.1f} ms of a worker a run. Goal: 300 s for 30 cells of 500 seeds; floor: 480 s.

## {large["pods"]:.0f} pods for {large["hours"]:.0f} hours

All of them run the whole time on {large["nodes"]:.0f} nodes; the trace has a sample every 60 s,
sampled and looked at every 15 s (threshold 30 %, big enough, one move at a time):
{large["cpu_s"]:.1f} s of CPU ({large["wall_s"]:.1f} s by the clock),
{large["prepare_cpu_s"]:.1f} s of them to prepare the arrays; {samples:.1f} million samples of pods
a second; {large["migrations"]:.0f} moves; peak {large["peak_mib"]:.0f} MiB, the trace itself as
Python objects included. Goal: 60 s, 2 GiB.
"""


def _row(timed: Timed) -> str:
    middle, low, high = spread(timed.seconds)
    return f"| {timed.name} | {len(timed.seconds)} | {middle:.1f} ({low:.1f}-{high:.1f}) |"
