"""Feeds every parser of foreign bytes with nonsense for a given time: `python -m tools.fuzz 120`.

Prints executions of each parser; a defect prints its seed and ends with 1.
"""

from __future__ import annotations

import logging
import random
import sys
import time
import traceback

import structlog

from tests.property import hostile, hostile_peers

TARGETS = {**hostile.TARGETS, **hostile_peers.TARGETS}


def main(seconds: float) -> int:
    """Share the time evenly among the parsers."""
    logging.disable(logging.CRITICAL)  # what is refused is logged, and nearly all is
    quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=quiet)
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
