"""`python -m tools.chaos --seeds 1000`: faults in virtual time, and what they found.

    --seeds N     N random sequences of two to four faults, from --first on
    --replay S    one of them again, with its trace
    --matrix N    every victim x step x copy x kind, N seeds each
    --moves N     the same for networks, machines, users, owners and clocks
    --freeze-first  every move freezes its source before the target is prepared

Ends with 1 when a promise was broken; a broken one prints how to see it again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from . import cells
from .run import Report
from .tally import Tally


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tools.chaos")
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--replay", type=int)
    parser.add_argument("--matrix", type=int, default=0)
    parser.add_argument("--moves", type=int, default=0)
    parser.add_argument("--freeze-first", action="store_true")
    parser.add_argument("--only", default="", help="faults whose name contains this")
    asked = parser.parse_args()
    if asked.replay is not None:
        world, report = cells.run_random(asked.replay, first=asked.freeze_first)
        print("\n".join(world.trace))
        print(report)
        return 0 if report.good else 1
    tally = Tally()
    more = " --freeze-first" if asked.freeze_first else ""
    for seed in range(asked.first, asked.first + asked.seeds):
        _, report = cells.run_random(seed, first=asked.freeze_first)
        tally.add(report)
        _complain(f"python -m tools.chaos{more} --replay {seed}", report)
    for kind, count in ((cells.matrix, asked.matrix), (cells.moves, asked.moves)):
        for cell, seed in _pairs(kind(), count):
            if asked.only in cell.fault:
                outcome = cells.run_cell(cell, seed, first=asked.freeze_first)
                tally.add_outcome(outcome)
                if outcome.report is not None:
                    _complain(f"cell {cell}, seed {seed}", outcome.report)
    print(tally.table())
    return 0 if tally.good else 1


def _pairs(found: Iterator[cells.Cell], count: int) -> Iterator[tuple[cells.Cell, int]]:
    return ((cell, seed) for cell in found for seed in range(count))


def _complain(how: str, report: Report) -> None:
    if not report.good:
        found = [*report.lost, *report.doubled, *report.left, *report.other]
        print(f"{how}: {'; '.join(report.injected)}: {report.end}: {'; '.join(found)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
