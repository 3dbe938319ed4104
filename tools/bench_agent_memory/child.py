"""One measured process: `idle`, `sampling`, or `telling` a controller that asks for every sample.

Prints {"cpu", "wall"} [s] and {"rss"} [bytes]. What it imports before it starts is what an agent
without samples has; the rest is counted as the samples' own memory, their time is not counted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from podferry.agent import metrics, server
from podferry.agent.errors import Refused

_BEFORE = (metrics, server)
WARM_SECONDS = 3.0


def _rss() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


async def _measure(mode: str, folder: str, seconds: float) -> dict[str, float]:
    asking = None
    if mode != "idle":
        asking = asyncio.create_task(_sample(folder, ask=mode == "telling"))
    await asyncio.sleep(WARM_SECONDS)
    cpu, wall = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    found = {"cpu": time.process_time() - cpu, "wall": time.monotonic() - wall, "rss": _rss()}
    if asking is not None:
        asking.cancel()
    return found


async def _sample(folder: str, *, ask: bool) -> None:
    from podferry.agent.memory import cgroups, telling
    from podferry.agent.memory.sampler import Sampler
    from podferry.wire.memory import Asked

    about = telling.About("node-a", "boot", time.time(), 1.0)
    sampler = Sampler(cgroups.Tree(folder, "/proc/meminfo"), "/proc", about)
    sampler.start()
    since = -1
    while ask:
        await asyncio.sleep(0.01)  # where the network would be
        try:
            report = await sampler.report(Asked(since=since, wait=60, soft=100))
        except Refused:  # before the first sample
            continue
        since = report.seq
        json.dumps(report.to_dict())
    await asyncio.Event().wait()


def main() -> None:
    """Run `MODE FOLDER SECONDS`."""
    mode, folder, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(_measure(mode, folder, float(seconds)))))


if __name__ == "__main__":
    main()
