"""Measures what memory samples cost and writes the page: made cgroups, and a lab's real pods."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

from podferry.lab.cluster.model import Lab
from tools.bench.stats import Spread, ratio_of_medians, spread
from tools.bench_agent_memory import groups, real

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/benchmarks-agent-memory.md"
MODES = ("idle", "sampling", "telling")
Found = dict[str, list[dict[str, float]]]


def measure(pods: int, rounds: int, seconds: float) -> Found:
    """Rounds of all modes, one after the other; each in a process of its own."""
    found: Found = {mode: [] for mode in MODES}
    with groups.pods(pods) as folder:
        for _ in range(rounds):
            for mode in MODES:
                argv = [sys.executable, "-m", "tools.bench_agent_memory.child", mode, folder]
                done = subprocess.run(
                    [*argv, str(seconds)], check=True, stdout=subprocess.PIPE, text=True
                )
                found[mode].append(json.loads(done.stdout.splitlines()[-1]))
    return found


def percent(values: list[float]) -> str:
    """Median (least-most) of shares, as percent of a core."""
    lies = spread(values)
    assert isinstance(lies, Spread)
    return f"{lies.median:.3%} ({lies.least:.3%}-{lies.most:.3%})"


def machine() -> str:
    """The machine in words."""
    kernel = platform.release().partition("-")[0]
    version = "v2" if groups.is_v2() else "v1"
    return (
        f"{os.cpu_count()} cores, kernel {kernel}, cgroup {version},"
        f" Python {platform.python_version()}, load average {os.getloadavg()[0]:.1f} at the end"
    )


def page(arguments: argparse.Namespace, found: Found, real_rows: list[str]) -> str:
    """The whole page."""
    share = {mode: [each["cpu"] / each["wall"] for each in found[mode]] for mode in MODES}
    memory = {mode: [each["rss"] for each in found[mode]] for mode in MODES}
    ratio = ratio_of_medians(share["sampling"], [0.01])
    added = [
        (after - before) / (1 << 20)
        for before, after in zip(memory["idle"], memory["telling"], strict=True)
    ]
    grown = spread(added)
    assert isinstance(grown, Spread)
    assert ratio is not None
    rows = "\n".join(f"| {mode} | {len(share[mode])} | {percent(share[mode])} |" for mode in MODES)
    command = shlex.join(["python", "-m", "tools.bench_agent_memory", *sys.argv[1:]])
    return f"""# What the agent's memory samples cost

Written by `{command}` (`tools/bench_agent_memory/`); {machine()}.
Processor time counts what a process itself used, so that other load shows only through cold
caches. What is measured: [memory-report.md](memory-report.md).

## {arguments.pods} pods, cgroups of this kernel without tasks

One sample a second; processor time of the whole process beside the time by the clock,
{arguments.seconds:g} s a run, the modes one after the other. `telling`: a controller asks for
every sample of every pod, as of an urgent node; the report and its JSON are made, TLS is not.
Share of a core: median (least-most). Goal: less than 1 %; the median of `sampling` is {ratio:.2f}
of that.

| mode | n | share of a core |
| --- | --- | --- |
{rows}

Memory of `telling` beyond that of `idle`, which has none of the code: {grown.median:.1f} MiB
({grown.least:.1f}-{grown.most:.1f}, n = {grown.n}).
{"".join(real_rows)}"""


def measure_real(arguments: argparse.Namespace) -> list[str]:
    """The section of a lab's node, without and with pods."""
    lab = Lab.named(arguments.lab)
    few = real.shares(lab, arguments.rounds, arguments.seconds)
    with real.pods(lab, arguments.pods):
        many = real.shares(lab, arguments.rounds, arguments.seconds)
    rows = "\n".join(
        f"| {what} | {len(sampling)} | {percent(sampling)} | {percent(process)} |"
        f" {rss / (1 << 20):.1f} |"
        for what, (sampling, process, rss) in (
            ("as installed", few),
            (f"and {arguments.pods} idle pods", many),
        )
    )
    return [
        f"""
## A real node of the lab

`podferry_agent_memory_sample_cpu_seconds_total` and `process_cpu_seconds_total` of the agent,
{arguments.seconds:g} s a run. The agent does no move meanwhile; the rest of its time is the
readiness probe and its loops; there is no RescuePolicy, so the controller asks for little. The
metrics are read once a run. Resident memory is that of the whole agent.

| pods | n | samples, share of a core | whole agent, share of a core | resident memory [MiB] |
| --- | --- | --- | --- | --- |
{rows}
"""
    ]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench_agent_memory")
    parser.add_argument("--pods", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5, help="of each mode")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run")
    parser.add_argument("--lab", default="", help="a running lab with podferry; empty: none")
    arguments = parser.parse_args()
    real_rows = measure_real(arguments) if arguments.lab else []
    found = measure(arguments.pods, arguments.rounds, arguments.seconds)
    PAGE.write_text(page(arguments, found, real_rows))


if __name__ == "__main__":
    main()
