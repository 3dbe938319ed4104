"""Makes further traces of one: pods drawn with replacement on the arrivals of the original.

Owns the bootstrap. `scale` copies of the original's arrivals lie over each other, so the gaps
between the arrivals of one copy, and the number of pods that are there at the start, stay as they
were; which pod comes is drawn anew each time. It changes no curve.
"""

from __future__ import annotations

import random
from dataclasses import replace

from podferry.simulator.model import Trace


def resample(trace: Trace, scale: int, seed: int) -> Trace:
    """Return a trace of `scale` times as many pods in the same time.

    Args:
        trace: the original.
        scale: 1: as many as the original.
        seed: the same seed draws the same pods.
    """
    draw = random.Random(f"resample {seed}")  # noqa: S311 a simulation, no secret
    pods = [
        replace(draw.choice(trace.pods), name=f"{copy}-{at}", arrival=original.arrival)
        for copy in range(scale)
        for at, original in enumerate(trace.pods)
    ]
    pods.sort(key=lambda pod: pod.arrival)
    return replace(trace, name=f"{trace.name} x{scale} (drawn {seed})", pods=tuple(pods))
