"""Makes pods and a trace of samples, and refuses what cannot be one.

Owns the checks that every format shares: sizes, the order of times, names, emptiness, and how many
samples memory allows. It opens no file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from podferry.simulator.errors import BadInput, TooLarge
from podferry.simulator.model import GIB, Trace, TracePod

BYTES_PER_SAMPLE = 80
"""Two boxed floats and their places in two tuples, rounded up."""
BYTES_PER_BYTE_OF_JSON = 8
"""Of Python objects made by reading JSON; measured: 2.5 (o10n), 6.3 (Prometheus)."""
SHARE_OF_MEMORY = 0.5


@dataclass(frozen=True, slots=True)
class Asked:
    """What a pod asks the cluster for, where its format knows."""

    request: float = 0.0
    limit: float | None = None
    cpu: float = 0.0
    priority: int = 0


class Budget:
    """How much memory a trace may take; counts while it is read."""

    def __init__(self, limit: float | None = None) -> None:
        """`limit`: bytes; None: half of what the machine has free now."""
        self.limit = _free() * SHARE_OF_MEMORY if limit is None else limit
        self._samples = 0

    def text(self, place: str, size: int) -> None:
        """Refuse JSON of `size` bytes that would not fit once it is read.

        Raises:
            TooLarge: names the limit.
        """
        self._check(place, float(size) * BYTES_PER_BYTE_OF_JSON, f"{size / 2**20:.1f} MiB of JSON")

    def samples(self, place: str, more: int) -> None:
        """Count `more` samples.

        Raises:
            TooLarge: names the limit.
        """
        self._samples += more
        self._check(
            place, float(self._samples) * BYTES_PER_SAMPLE, f"{self._samples:,} samples or more"
        )

    def _check(self, place: str, need: float, what: str) -> None:
        if need > self.limit:
            raise TooLarge(
                f"{place}: {what} need about {need / GIB:.2f} GiB of memory, the limit is "
                f"{self.limit / GIB:.2f} GiB; give --trace-memory, or a shorter or coarser trace"
            )


def _free() -> float:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
    except OSError:
        pass
    return 4 * GIB


def memory_value(place: str, value: object) -> float:
    """Return a memory size in bytes.

    Raises:
        BadInput: not a number, NaN, infinite or negative.
    """
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise BadInput(f"{place}: memory {str(value)[:40]!r} is not a number of bytes") from None
    if math.isnan(number) or math.isinf(number):
        raise BadInput(f"{place}: memory is {number}; leave the sample out where nobody knows it")
    if number < 0:
        raise BadInput(f"{place}: memory is negative: {number:g} bytes")
    return number


def time_value(place: str, value: object) -> float:
    """Return a time in the unit of the file.

    Raises:
        BadInput: not a finite number.
    """
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise BadInput(f"{place}: time {str(value)[:40]!r} is not a number") from None
    if math.isnan(number) or math.isinf(number):
        raise BadInput(f"{place}: time is {number}")
    return number


def rising(place: str, before: float | None, now: float) -> None:
    """Refuse a sample that is not later than the one before it.

    Raises:
        BadInput: it is earlier or at the same time.
    """
    if before is not None and now <= before:
        what = "the same time as" if now == before else "earlier than"
        raise BadInput(
            f"{place}: time {now:.10g} is {what} the sample before it ({before:.10g}); "
            "times of one pod must rise"
        )


def pod(
    name: str, times: Sequence[float], memory: Sequence[float], step: float, asked: Asked
) -> TracePod:
    """Return a pod of checked samples; `times` are absolute [s] and become its arrival.

    Its last sample stands for one more `step`: that is its end.
    """
    start = times[0]
    own = tuple(time - start for time in times)
    return TracePod(
        name=name,
        arrival=start,
        times=own,
        memory=tuple(memory),
        lifetime=own[-1] + step,
        request=asked.request,
        limit=asked.limit,
        cpu=asked.cpu,
        priority=asked.priority,
    )


def trace(name: str, place: str, pods: Iterable[TracePod], step: float, source: str) -> Trace:
    """Return the trace, its first pod at 0 s, pods in the order of arrival, then of name.

    Raises:
        BadInput: no pods, or two of one name.
    """
    found = list(pods)
    if not found:
        raise BadInput(f"{place}: the trace is empty: no pod with a sample")
    seen: set[str] = set()
    for each in found:
        if each.name in seen:
            raise BadInput(f"{place}: pod {each.name!r} is there twice")
        seen.add(each.name)
    start = min(each.arrival for each in found)
    ordered = sorted(
        (replace(each, arrival=each.arrival - start) for each in found),
        key=lambda each: (each.arrival, each.name),
    )
    return Trace(name, tuple(ordered), step, source)


def usual_step(gaps: Iterable[float], default: float = 60.0) -> float:
    """Return the median of the gaps between samples [s]; `default` where there are none."""
    ordered = sorted(gap for gap in gaps if gap > 0)
    return ordered[len(ordered) // 2] if ordered else default
