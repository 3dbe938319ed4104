"""Traces of memory: finding one by name or path and reading it, whatever its format.

Owns which format a file is. A name is looked for here, then below the folder in PODFERRY_TRACES.
"""

from __future__ import annotations

import os
from pathlib import Path

from podferry.simulator.errors import BadInput
from podferry.simulator.model import Trace
from podferry.simulator.traces import bitbrains, build, files, o10n, prometheus, table
from podferry.simulator.traces.resample import resample

__all__ = ["FOLDER", "find", "load", "resample"]

FOLDER = "PODFERRY_TRACES"
"""Environment variable: a folder of traces that are not part of podferry."""


def load(name: str, limit: float | None = None) -> Trace:
    """Return the trace called `o10n`, or the one in the file or folder of that name.

    Args:
        name: `o10n`, or a path.
        limit: memory it may take [bytes]; None: half of what is free now.

    Raises:
        BadInput: it cannot be found or read; one line with the place.
    """
    budget = build.Budget(limit)
    if name == "o10n":
        return o10n.load(o10n.DATA, budget)
    path = find(name)
    if path.is_dir():
        return bitbrains.load(path, budget)
    kind = path.name.removesuffix(".gz")
    if kind.endswith(".json"):
        document = files.json_of(path, budget)
        return (
            prometheus.of(path, document, budget)
            if prometheus.is_one(document)
            else o10n.of(path, document, budget)
        )
    if kind.endswith(".csv"):
        first = next(files.lines(path), "")
        return bitbrains.load(path, budget) if bitbrains.is_one(first) else table.load(path, budget)
    raise BadInput(f"{path}: unknown kind of file; known: .json, .csv, each also .gz, or a folder")


def find(name: str) -> Path:
    """Return where a trace lies.

    Raises:
        BadInput: nowhere; names where it was looked for.
    """
    path = Path(name)
    if path.exists():
        return path
    folder = os.environ.get(FOLDER)
    if folder and (Path(folder) / name).exists():
        return Path(folder) / name
    also = f", nor below {folder}" if folder else f"; {FOLDER} names no further folder"
    raise BadInput(f"{name}: no such file or folder{also}")
