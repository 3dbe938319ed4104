"""Feeds every parser of foreign bytes with nonsense for a given time: `python -m tools.fuzz 120`.

Prints executions of each parser; a defect prints its seed and ends with 1.
"""

from __future__ import annotations

import random
import sys
import time
import traceback

from tests.property.hostile import TARGETS


def main(seconds: float) -> int:
    """Share the time evenly among the parsers."""
    first = time.time_ns()
    for name, target in TARGETS.items():
        end, done = time.monotonic() + seconds / len(TARGETS), 0
        while time.monotonic() < end:
            try:
                target(random.Random(first + done))  # noqa: S311
            except Exception:
                traceback.print_exc()
                print(f"{name}: seed {first + done} shows a defect", file=sys.stderr)
                return 1
            done += 1
        print(f"{name:24} {done:9} executions", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 120.0))
