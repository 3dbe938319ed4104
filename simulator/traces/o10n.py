"""Reads the JSON of the seed's trace: a list of {"Name", "Memory", "Time"}.

Owns what a size class stands for. Time is epoch milliseconds, memory bytes, null where the pod did
not run; a null between two samples is a sample that is missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from podferry.simulator.errors import BadInput
from podferry.simulator.model import GIB, Trace, TracePod
from podferry.simulator.traces import build, files

REQUESTS = {"s": 30 * GIB, "m": 80 * GIB, "l": 130 * GIB, "xl": 420 * GIB}
"""Memory request of a size class, as in the original simulator [bytes]."""
CORES = 5.0
DATA = Path(__file__).parent / "data" / "o10n-workers" / "pods.json.gz"
SOURCE = (
    "o10n-workers: A. Stobbe, elchead/k8s-cluster-simulator @ 57dc9257a988, pods.json, Apache-2.0"
)
FIELDS = ("Name", "Memory", "Time")


def load(path: Path, budget: build.Budget) -> Trace:
    """Return the trace in `path`.

    Raises:
        BadInput: with the pod's index in the list and the sample's in the pod.
    """
    return of(path, files.json_of(path, budget), budget)


def of(path: Path, document: Any, budget: build.Budget) -> Trace:
    """Return the trace that a parsed document says.

    Raises:
        BadInput: as `load`.
    """
    if not isinstance(document, list):
        raise BadInput(f"{path}: expected a list of pods, found {type(document).__name__}")
    gaps: list[float] = []
    raw = [_samples(path, at, entry, budget, gaps) for at, entry in enumerate(document)]
    step = build.usual_step(gaps)
    pods = [_pod(path, at, name, pairs, step) for at, (name, pairs) in enumerate(raw) if pairs]
    own = path == DATA
    name = "o10n" if own else path.name
    return build.trace(name, str(path), pods, step, SOURCE if own else str(path))


Pairs = list[tuple[float, float]]


def _samples(
    path: Path, at: int, entry: Any, budget: build.Budget, gaps: list[float]
) -> tuple[str, Pairs]:
    place = f"{path}: pod {at}"
    if not isinstance(entry, dict):
        raise BadInput(f"{place}: expected an object, found {type(entry).__name__}")
    unknown = sorted(set(entry) - set(FIELDS))
    if unknown:
        raise BadInput(f"{place}: unknown field {unknown[0]!r}; known: {', '.join(FIELDS)}")
    missing = [field for field in FIELDS if field not in entry]
    if missing:
        raise BadInput(f"{place}: {missing[0]} is missing")
    name, memory, times = (entry[field] for field in FIELDS)
    if not isinstance(name, str) or not name:
        raise BadInput(f"{place}: Name must be a text")
    if not isinstance(memory, list) or not isinstance(times, list) or len(memory) != len(times):
        raise BadInput(f"{place} ({name}): Memory and Time must be lists of one length")
    budget.samples(str(path), sum(value is not None for value in memory))
    pairs: Pairs = []
    before: float | None = None
    for index, (value, stamp) in enumerate(zip(memory, times, strict=True)):
        where = f"{place} ({name}), sample {index}"
        now = build.time_value(where, stamp) / 1000
        build.rising(where, before, now)
        if before is not None and at == 0:
            gaps.append(now - before)
        before = now
        if value is not None:
            pairs.append((now, build.memory_value(where, value)))
    return name, pairs


def _pod(path: Path, at: int, name: str, pairs: Pairs, step: float) -> TracePod:
    asked = build.Asked(request=_request(path, at, name), cpu=CORES)
    times, memory = [time for time, _ in pairs], [value for _, value in pairs]
    return build.pod(name, times, memory, step, asked)


def _request(path: Path, at: int, name: str) -> float:
    parts = name.split("-")
    size = parts[2] if name.startswith("o10n-worker-") and len(parts) > 2 else ""
    if size not in REQUESTS:
        raise BadInput(
            f"{path}: pod {at}: {name!r} names no size class; "
            f"expected o10n-worker-SIZE-..., SIZE one of {', '.join(REQUESTS)}"
        )
    return REQUESTS[size]
