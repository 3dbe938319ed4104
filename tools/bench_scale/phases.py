"""What is measured, in order: start, rest, watching, pressure, a restart of the API server."""

from __future__ import annotations

import asyncio
import signal
import time
import urllib.request
from dataclasses import dataclass

from podferry.wire import names
from tools.bench_scale import objects, rescue
from tools.bench_scale.run import Bench


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often."""

    seconds: float = 120.0
    """Of each measurement."""
    settle: float = 60.0
    """Before the first, and after the policy was made."""
    rounds: int = 4
    pressed: int = 50
    """Nodes that come under pressure at once."""


async def measure(bench: Bench, plan: Plan) -> None:
    """Run all of it; what is found is in `bench.figures`. Raises TimeoutError, PlaneError."""
    bench.start_controller()
    bench.figures["sync_seconds"] = round(await bench.in_step(), 2)
    bench.say(f"controller in step after {bench.figures['sync_seconds']} s")
    await asyncio.sleep(plan.settle)
    await bench.sample("rest", plan.seconds)
    await rescue.begin(bench)
    await asyncio.sleep(plan.settle)
    await bench.sample("watching", plan.seconds)
    if bench.bare:
        bench.figures["controller_metrics"] = controller_metrics()
        return
    bench.figures["rounds"] = []
    for number in range(plan.rounds):
        nodes = _nodes(bench, number, plan.pressed)
        sample = plan.seconds if number == 0 else 0.0
        bench.figures["rounds"].append(
            await rescue.round_of(bench, nodes, "pressed", sample=sample)
        )
    await _restart(bench, plan)
    bench.figures["controller_metrics"] = controller_metrics()


def _nodes(bench: Bench, number: int, count: int) -> list[str]:
    """Others in each round."""
    first = number * count
    return [objects.node_name(each % bench.size.nodes) for each in range(first, first + count)]


async def _restart(bench: Bench, plan: Plan) -> None:
    """Kill the API server, start it, and see that pressure still leads to Migrations."""
    before = bench.figures.get("controller_restarts", 0)
    began = time.monotonic()
    bench.plane.end("kube-apiserver", signal.SIGKILL)
    await asyncio.to_thread(bench.plane.start_apiserver, keep=("controller",))
    away = time.monotonic() - began
    bench.say(f"API server was away for {away:.1f} s")
    bench.keep_controller()
    await rescue.known_again(bench)
    bench.figures["restart"] = {
        "away_seconds": round(away, 1),
        "known_again_seconds": round(time.monotonic() - began, 1),
        "controller_restarts": bench.figures.get("controller_restarts", 0) - before,
        "round": await rescue.round_of(
            bench, _nodes(bench, plan.rounds, plan.pressed), "after the restart"
        ),
    }


def controller_metrics() -> dict[str, float]:
    """Numbers that the controller tells of itself."""
    wanted = ("podferry_reflector_restarts", "podferry_rescue_look_seconds_",
              "podferry_rescue_report_to_migration_seconds_", "podferry_memory_reports_total",
              "podferry_node_facts_write_errors_total")  # fmt: skip
    url = f"http://127.0.0.1:{names.CONTROLLER_METRICS_PORT}/metrics"
    with urllib.request.urlopen(url, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    found = {}
    for line in lines:
        if line.startswith(wanted) and "_bucket" not in line and "_created" not in line:
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found
