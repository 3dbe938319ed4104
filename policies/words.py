"""Sizes, times and shares as the reasons of a decision write them. Text only."""

from __future__ import annotations

GIB = float(2**30)


def gib(size: float) -> str:
    """`123.4 GiB`; three digits below 1 GiB."""
    amount = size / GIB
    return f"{amount:.1f} GiB" if abs(amount) >= 1 else f"{amount:.3f} GiB"


def pace(growth: float) -> str:
    """Bytes a second as `+1.25 GiB/min`."""
    return f"{growth * 60 / GIB:+.2f} GiB/min"


def seconds(time: float) -> str:
    """`95 s`; tenths below ten seconds."""
    return f"{time:.0f} s" if abs(time) >= 10 else f"{time:.1f} s"
