"""Reads a folder of the Grid Workloads Archive's Bitbrains format: one CSV file a machine.

Owns its oddities: the separator is `;` and TAB, the header says `[ms]` where seconds stand, a
machine may be sampled twice in one second (the larger value counts), and its provisioned memory may
change (the largest is its request). A machine is a pod that lives from first to last sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from podferry.simulator.errors import BadInput
from podferry.simulator.model import Trace
from podferry.simulator.traces import build, files

TIME, CORES = "Timestamp [ms]", "CPU cores"
PROVISIONED, USED = "Memory capacity provisioned [KB]", "Memory usage [KB]"
COLUMNS = (
    TIME, CORES, "CPU capacity provisioned [MHZ]", "CPU usage [MHZ]", "CPU usage [%]", PROVISIONED,
    USED, "Disk read throughput [KB/s]", "Disk write throughput [KB/s]",
    "Network received throughput [KB/s]", "Network transmitted throughput [KB/s]",
)  # fmt: skip
KIB = 1024.0
SOURCE = "Bitbrains, Grid Workloads Archive GWA-T-12; S. Shen, V. van Beek, A. Iosup, CCGrid 2015"


@dataclass(slots=True)
class _Machine:
    name: str
    times: list[float]
    memory: list[float]
    request: float = 0.0
    cores: float = 0.0


def is_one(header: str) -> bool:
    """Whether a file with this first line is of this format."""
    return header.split(";")[0].strip() == TIME


def load(path: Path, budget: build.Budget) -> Trace:
    """Return the trace of a folder, or of one file.

    Raises:
        BadInput: with file and line.
    """
    found = sorted([*path.glob("*.csv"), *path.glob("*.csv.gz")]) if path.is_dir() else [path]
    if not found:
        raise BadInput(f"{path}: no *.csv or *.csv.gz in this folder")
    machines = [machine for file in found if (machine := _machine(file, budget)).times]
    gaps = (b - a for each in machines for a, b in zip(each.times, each.times[1:], strict=False))
    step = build.usual_step(gaps, 300.0)
    pods = [
        build.pod(
            each.name, each.times, each.memory, step, build.Asked(each.request, None, each.cores)
        )
        for each in machines
    ]
    return build.trace(path.name, str(path), pods, step, SOURCE)


def _machine(path: Path, budget: build.Budget) -> _Machine:
    machine = _Machine(path.name.removesuffix(".gz").removesuffix(".csv"), [], [])
    header: list[str] = []
    for number, line in enumerate(files.lines(path), 1):
        cells = [cell.strip() for cell in line.split(";")]
        if not header:
            header = _header(path, cells)
        elif line.strip():
            _row(f"{path}: line {number}", machine, header, cells)
            budget.samples(str(path), 1)
    if not header:
        raise BadInput(f"{path}: the file is empty")
    return machine


def _header(path: Path, cells: list[str]) -> list[str]:
    unknown = [cell for cell in cells if cell not in COLUMNS]
    if unknown:
        raise BadInput(f"{path}: line 1: unknown column {unknown[0][:40]!r}")
    missing = [name for name in (TIME, CORES, PROVISIONED, USED) if name not in cells]
    if missing:
        raise BadInput(f"{path}: line 1: column {missing[0]!r} is missing")
    return cells


def _row(place: str, machine: _Machine, header: list[str], cells: list[str]) -> None:
    if len(cells) != len(header):
        raise BadInput(f"{place}: {len(cells)} values in {len(header)} columns; is it cut off?")
    row = dict(zip(header, cells, strict=True))
    now = build.time_value(place, row[TIME])
    used = build.memory_value(place, row[USED]) * KIB
    machine.request = max(machine.request, build.memory_value(place, row[PROVISIONED]) * KIB)
    machine.cores = max(machine.cores, build.memory_value(place, row[CORES]))
    if machine.times and now == machine.times[-1]:
        machine.memory[-1] = max(machine.memory[-1], used)
        return
    build.rising(place, machine.times[-1] if machine.times else None, now)
    machine.times.append(now)
    machine.memory.append(used)
