"""Plays recorded curves on real kubelets: `python -m tools.rescue_study`, writes the study's page.

A cell that fails is told and the run goes on; what was measured is written after each cell.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from podferry.cli import demo_scene, demo_world
from podferry.cli.demo_world import DemoError, World
from podferry.cli.install import InstallError
from podferry.lab.cluster import lifecycle
from podferry.lab.cluster.errors import LabError
from podferry.lab.cluster.model import Lab
from podferry.simulator import traces
from podferry.simulator.errors import BadInput
from podferry.simulator.model import Trace
from tools.rescue_study import outcome, page, play, predicted, record, scene
from tools.rescue_study.outcome import Raw

BITBRAINS = "bitbrains-rnd/2013-08-20_3d"
LONG = {BITBRAINS.rpartition("/")[2]: BITBRAINS}
"""Traces whose own name is not the one that finds them."""
FASTEST = {"o10n": 10.0, BITBRAINS: 100.0}
"""Compression at which the drawing of a scene begins; halved until one keeps the bound."""
SLOWEST = 3.0
NODES, NODE_MEMORY = 2, "2Gi"
SECONDS = 180
WORK = Path("build/rescue-study")


@dataclass(slots=True)
class Found:
    """What this run has measured."""

    raws: dict[tuple[str, int, str], Raw] = field(default_factory=dict)


def say(text: str) -> None:
    """One line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def options(argv: Sequence[str]) -> argparse.Namespace:
    """The command line; `--quick` only fills what was not given."""
    parser = argparse.ArgumentParser(prog="make rescue-study", description=__doc__.splitlines()[0])
    parser.add_argument("--traces", help=f"[o10n,{BITBRAINS}]")
    parser.add_argument("--modes", help="[off,DryRun,Act]")
    parser.add_argument("--seeds", help="[0,1,2]")
    parser.add_argument("--quick", action="store_true", help="o10n, off and Act, seed 0")
    parser.add_argument("--minutes", type=float, default=120, help="no cell begins after [120]")
    parser.add_argument("--lab", default="rescue-study", help="name of the lab [rescue-study]")
    parser.add_argument("--simulate", action="store_true", help="no lab: only simulate and write")
    parser.add_argument("--keep", action="store_true", help="leave the lab running")
    found = parser.parse_args(argv)
    found.traces = (found.traces or ("o10n" if found.quick else f"o10n,{BITBRAINS}")).split(",")
    found.modes = (found.modes or ("off,Act" if found.quick else "off,DryRun,Act")).split(",")
    found.seeds = [
        int(each) for each in (found.seeds or ("0" if found.quick else "0,1,2")).split(",")
    ]
    return found


def loaded(names: Sequence[str]) -> dict[str, Trace]:
    """The traces that are on this machine; of the others it is told why they are left out."""
    found = {}
    for name in names:
        try:
            found[name] = traces.load(name)
        except BadInput as error:
            say(f"left out: {error}")
    return found


def drawn(trace: Trace, seed: int, stage: scene.Stage, fastest: float) -> scene.Scene:
    """The scene of a seed, as fast as the bound allows. Raises NoScene."""
    compression = fastest
    while True:
        try:
            return scene.draw(trace, seed, stage, compression)
        except scene.NoScene:
            compression /= 2.0
            if compression < SLOWEST:
                raise


def measure(world: World, given: argparse.Namespace, found: Found, lab: predicted.Lab) -> None:
    """All cells, a seed's modes one after another."""
    end = time.monotonic() + given.minutes * 60
    stage = _stage(lab)
    say(f"a node has {stage.room:.0f} MiB for pods, {lab.system:.0f} MiB are the system's")
    for name, trace in loaded(given.traces).items():
        for seed in given.seeds:
            try:
                made = drawn(trace, seed, stage, FASTEST.get(name, 10.0))
            except scene.NoScene as error:
                say(f"left out: {error}")
                continue
            say(
                f"{made.trace}, seed {seed}: {made.compression:g} times faster, "
                f"{made.scale:.1f} MiB for a GiB; a node grows {made.p99_growth:.0f} MiB in "
                f"{scene.KUBELET_SECONDS} s (p99; most {made.most_growth:.0f}), the headroom is "
                f"{stage.headroom:.0f} MiB"
            )
            for mode in given.modes:
                if time.monotonic() > end:
                    say("the time for more cells is over")
                    return
                _cell(world, made, mode, found, lab)


def _cell(world: World, made: scene.Scene, mode: str, found: Found, lab: predicted.Lab) -> None:
    say(f"{made.trace}, seed {made.seed}, {mode}")
    try:
        play.prepare(world, say)
        raw = play.play(world, made, mode, WORK / f"{made.trace}-{made.seed}-{mode}", say)
    except (DemoError, InstallError, LabError, OSError) as error:
        say(f"failed: {' '.join(str(error).split())[:300]}")
        return
    found.raws[made.trace, made.seed, mode] = raw
    counted = outcome.outcome(made.trace, made.seed, mode, raw)
    off = found.raws.get((made.trace, made.seed, "off"))
    alarms = outcome.false_alarms(raw, off) if mode == "Act" else None
    cell = record.Cell(
        counted,
        alarms,
        lab.capacity,
        lab.threshold,
        lab.system,
        made.scale,
        made.compression,
        made.p99_growth,
        made.most_growth,
    )
    say(f"  {counted}")
    about = (made.trace, made.seed, mode)
    record.merge(page.FOLDER / "cells.csv", [record.cell_row(cell)])
    record.merge(page.FOLDER / "moves.csv", record.move_rows(*about, raw))
    record.merge(page.FOLDER / "samples.csv", record.sample_rows(*about, raw))


def simulate() -> None:
    """All measured cells again in the simulator, with times of moves of the other scenes."""
    moves = record.read(page.FOLDER / "moves.csv")
    spec = play.policy("Act")["spec"]
    known: dict[str, Trace] = {}
    for row in record.read(page.FOLDER / "cells.csv"):
        if row["mode"] == "DryRun":
            continue
        name = LONG.get(row["trace"], row["trace"])
        if name not in known:
            known |= loaded([name])
        if name not in known:
            continue
        lab = predicted.Lab(*(float(row[f"{k}_mib"]) for k in ("capacity", "threshold", "system")))
        made = scene.draw(known[name], int(row["seed"]), _stage(lab), float(row["compression"]))
        if abs(made.scale / float(row["scale"]) - 1) > 0.01:
            say(f"left out: {made.trace}, seed {made.seed} was measured as another scene")
            continue
        others = [move for move in moves if record.key(move)[:2] != record.key(row)[:2]]
        fitted = predicted.fit(others)
        if not fitted.moves:
            fitted = predicted.fit(moves)
        said = predicted.predict(made, row["mode"], spec, lab, fitted.model)
        new = record.predicted_row(made, row["mode"], said, fitted)
        record.merge(page.FOLDER / "predicted.csv", [new])


def _stage(lab: predicted.Lab) -> scene.Stage:
    return scene.Stage(NODES, lab.capacity - lab.system - lab.threshold, lab.threshold, SECONDS)


def _lab(world: World) -> predicted.Lab:
    capacity = demo_scene.capacity(world, "node-a")
    left = min(demo_scene.available(world, name) for name in ("node-a", "node-b"))
    return predicted.Lab(capacity, demo_scene.threshold(world, "node-a"), capacity - left)


def main(argv: Sequence[str]) -> int:
    """Measure, simulate, write."""
    given = options(argv)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        if not given.simulate and not _measured(given):
            return 1
        simulate()
    except (DemoError, InstallError, LabError, predicted.WrongPlaces, scene.NoScene) as error:
        say(f"failed: {error}")
        return 1
    page.update()
    say(f"written: {page.PAGE}")
    return 0


def _measured(given: argparse.Namespace) -> bool:
    """Whether any cell was measured in a lab."""
    found = Found()
    try:
        world = demo_world.start_lab(given.lab, say, nodes=NODES, node_memory=NODE_MEMORY)
        demo_world.install(world, say)
        play.prepare(world, say)
        try:
            measure(world, given, found, _lab(world))
        except KeyboardInterrupt:
            say("interrupted; what was measured is written")
    finally:
        if not given.keep:
            lifecycle.down(Lab.named(given.lab), say)
    return bool(found.raws)


def _interrupted(signum: int, frame: FrameType | None) -> None:
    del signum, frame
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
