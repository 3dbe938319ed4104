"""Runs the cases of kill_criu.py on a lab node and prints one JSON line a run."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from podferry.agent.ops.dump import DumpFailed
from tools.spikes import cases
from tools.spikes.bench import Bench, Missed

Case = partial[cases.Row]


def plan(name: str, runs: int, thawed: dict[bool, float]) -> Iterator[tuple[cases.Row, Case]]:
    """(labels of the row, the case) of each run; kill moments are spread evenly over `thawed`."""
    for index in range(runs):
        share = (index + 0.5) / runs
        for labels, case in _round(name, share, thawed):
            yield {**labels, "share": round(share, 3)}, case


def _round(name: str, share: float, thawed: dict[bool, float]) -> Iterator[tuple[cases.Row, Case]]:
    """Every variant of a case once."""
    for other in (False, True):
        writes, lazy = {"agent_writes": other}, {"lazy": other}
        if name == "lazy-kill":
            yield writes, partial(cases.lazy_kill, share=share, agent_writes=other)
        elif name == "lazy-end":
            yield writes, partial(cases.lazy_end, agent_writes=other)
        elif name == "lazy-break":
            for tls in (False, True):
                case = partial(cases.lazy_end, agent_writes=other, share=share, tls=tls)
                yield {**writes, "tls": tls}, case
        elif name == "refreeze":
            yield lazy, partial(cases.refreeze, delay=share * thawed[other], lazy=other)
        elif name == "poll":
            yield lazy, partial(cases.poll, lazy=other)
        else:
            actor = {"actor": "agent" if other else "dead-man"}
            for fault in ("killed", "hanging", "serving", "orphan"):
                case = partial(
                    cases.dead_man,
                    fault=fault,
                    delay=min(1.0, share * thawed[False] / 2),
                    agent=other,
                )
                yield {"fault": fault, **actor}, case


def _hit(bench: Bench, number: int, case: Case) -> cases.Row:
    """Run a case; a fault that came after the end of the dump is tried again, earlier."""
    for _ in range(3):
        try:
            return case(bench, number)
        except Missed:
            shutil.rmtree(bench.root / f"attempt-{number}", ignore_errors=True)
            case = partial(case.func, **{**case.keywords, "delay": case.keywords["delay"] / 2})
    return case(bench, number)


def main() -> None:
    """Run the cases that are named; errors are rows too, and make the exit code 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--tls", type=Path, required=True)
    parser.add_argument("--mebibytes", type=int, required=True)
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("cases", nargs="+")
    given = parser.parse_args()
    bench = Bench(given.root, given.program, given.mebibytes, given.tls)
    # How long criu holds the tasks here, to spread the kills over it; lazy: until "ready".
    thawed = {
        False: float(cases.poll(bench, 1, lazy=False)["thawed"]),
        True: float(cases.poll(bench, 2, lazy=True)["ready"]) / 2,
    }
    print(json.dumps({"case": "calibration", "thawed": list(thawed.values())}), flush=True)
    number, failed = 2, False
    for name in given.cases:
        for labels, case in plan(name, given.runs, thawed):
            number += 1
            try:
                row = _hit(bench, number, case)
            except (RuntimeError, OSError, DumpFailed) as error:
                failed, row = True, {"error": f"{type(error).__name__}: {error}"}
                shutil.rmtree(given.root / f"attempt-{number}", ignore_errors=True)
            print(json.dumps({"case": name, "run": number, **labels, **row}), flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
