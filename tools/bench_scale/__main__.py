"""Builds the large cluster in a cage, measures the controller there, writes the page."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time

from tools.bench_scale import cage, page
from tools.bench_scale.objects import Size
from tools.bench_simulator.__main__ import REFERENCE, machine


def say(text: str) -> None:
    """One line for the person who waits."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


async def measure(asked: argparse.Namespace) -> None:
    """Everything that happens inside; figures go to standard output."""
    from podferry.kube.client import ApiClient
    from tools.bench_scale import phases, plane, run

    size = Size(asked.nodes, asked.pods)
    with plane.started() as made:
        async with await ApiClient.connect(kubeconfig=str(made.kubeconfig)) as client:
            bench = run.Bench(made, client, size, say, bare=asked.bare)
            try:
                await bench.build()
                if asked.hold:
                    say("everything runs; enter what has `--inside`: nsenter -n -m -p -t PID")
                    await asyncio.Event().wait()
                await phases.measure(bench, phases.Plan(asked.seconds, asked.settle, asked.rounds))
            except (TimeoutError, plane.PlaneError, OSError) as error:
                # What was measured until then is not thrown away; the page is not written of it.
                say(f"stopped: {error}")
                bench.figures["stopped"] = str(error)
            finally:
                if asked.logs:
                    _keep_logs(asked.logs)
            print(json.dumps(bench.figures))


def _keep_logs(folder: str) -> None:
    import shutil
    from pathlib import Path

    Path(folder).mkdir(parents=True, exist_ok=True)
    for log in cage.FOLDER.glob("*.log"):
        shutil.copy(log, folder)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench_scale")
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=30_000)
    parser.add_argument("--bare", action="store_true", help="without KWOK and without pressure")
    parser.add_argument("--page", action="store_true", help="write the page of any size")
    parser.add_argument("--seconds", type=float, default=120, help="of each measurement")
    parser.add_argument("--settle", type=float, default=60, help="before the first")
    parser.add_argument("--rounds", type=int, default=4, help="of 50 nodes under pressure")
    parser.add_argument("--hold", action="store_true", help="build everything, then only wait")
    parser.add_argument("--logs", help="folder to keep the components' logs in")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        cage.furnish()
        asyncio.run(measure(asked))
        return
    where = machine()
    figures = json.loads(cage.run_inside([*sys.argv[1:], "--inside"]))
    figures |= {"nodes": asked.nodes, "pods": asked.pods}
    text = page.page(figures, where, " ".join(["python -m tools.bench_scale", *sys.argv[1:]]))
    print(json.dumps(figures))
    print(text)
    if figures.get("stopped"):
        raise SystemExit("not all was measured, so no page is written")
    if asked.page or Size(asked.nodes, asked.pods) == Size():
        (REFERENCE / "benchmarks-scale.json").write_text(json.dumps(figures, indent=1) + "\n")
        (REFERENCE / "benchmarks-scale.md").write_text(text)


if __name__ == "__main__":
    main()
