"""Times the simulator and writes the page; each subject in a process of its own."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.bench_simulator import page, sweep

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"


def machine() -> str:
    """Return the processor, Python and load in words."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
    load = os.getloadavg()[0]
    python = platform.python_version()
    return (
        f"{os.cpu_count()} cores ({model}), Python {python}, load average {load:.1f} at the start"
    )


def cold() -> float:
    """Return the CPU seconds of a first run with an empty cache of machine code."""
    code = (
        "import time\n"
        "from tools.bench_simulator import subjects as s\n"
        "from podferry.policies.registry import policy_from\n"
        "ready = s.prepare(s.scenario(policy_from(s.BIG_ENOUGH)))\n"
        "print(s.clocked(lambda: s.run(ready, 0)))\n"
    )
    with tempfile.TemporaryDirectory() as cache:
        return float(_child([sys.executable, "-c", code], {"NUMBA_CACHE_DIR": cache}))


def _child(command: list[str], more: dict[str, str] | None = None) -> str:
    env = {**os.environ, **(more or {})}
    done = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench_simulator")
    parser.add_argument("--runs", type=int, default=100, help="seeds of each policy")
    parser.add_argument("--slow-runs", type=int, default=3, help="seeds of the plain engine")
    parser.add_argument("--pods", type=int, default=10_000, help="of the large fleet")
    parser.add_argument("--hours", type=int, default=24, help="of the large fleet")
    parser.add_argument("--sweep-seeds", type=int, default=sweep.SEEDS, help="of each cell")
    parser.add_argument("--large", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    from tools.bench_simulator import subjects

    if asked.large:
        print(json.dumps(subjects.large(asked.pods, asked.hours)))
        return
    begin, where = time.time(), machine()
    compile_s = cold()
    fast, plain = subjects.o10n(asked.runs, asked.slow_runs)
    again = [sys.executable, "-m", "tools.bench_simulator", "--large"]
    sizes = ["--pods", str(asked.pods), "--hours", str(asked.hours)]
    large = json.loads(_child([*again, *sizes]))
    seconds = sweep.timed(_child, asked.sweep_seeds)
    swept = page.Swept(sweep.CELLS, asked.sweep_seeds, sweep.WORKERS, seconds)
    (REFERENCE / "simulator-speed.csv").write_text(page.rows(fast, plain))
    text = page.page(fast, plain, large, where, compile_s, swept)
    (REFERENCE / "simulator-speed.md").write_text(text)
    print(text)
    print(f"{time.time() - begin:.0f} s")


if __name__ == "__main__":
    main()
