"""`podferry demo`: a node is rescued before it is full; or a service is moved there and back.

The rescue is `demo_rescue`. The other scene is here: one move and one back, and what a client saw.

Owns the promises and their proof: every number exactly once and in order, one process throughout,
memory unchanged, a freeze that was predicted and measured. Anything else is exit code 1.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from podferry.api.migration import WorkloadKind, WorkloadRef
from podferry.cli import demo_rescue, demo_scene, demo_world, exits, records, timeline
from podferry.cli.demo_verdict import Report
from podferry.cli.demo_world import NAMESPACE, SERVICE, DemoError, World
from podferry.cli.follow import phase_of
from podferry.cli.install import InstallError
from podferry.cli.migrate import Request, perform, spec_of
from podferry.cli.session import Cluster
from podferry.lab.cluster.errors import LabError
from podferry.lab.parts.errors import PartsError

ANSWERS_BETWEEN = 200
SECONDS_BETWEEN = 60.0
RECORDS = Path("build/demo-client.txt")


@dataclass(frozen=True, slots=True)
class Move:
    """One move and when it began, by the clock that the client uses too [s]."""

    migration: dict[str, Any]
    began: float


@click.command()
@click.option("--name", default="demo", show_default=True, help="Which lab.")
@click.option("--scene", type=click.Choice(["rescue", "move"]), default="rescue",
              show_default=True, help="What is shown.")  # fmt: skip
@click.option("--mb", type=click.IntRange(2, 2048), default=256, show_default=True,
              help="move: memory of the service in MiB.")  # fmt: skip
@click.option("--rate", type=click.IntRange(0, 1000), default=5, show_default=True,
              help="move: MB/s of it that are written all the time.")  # fmt: skip
@click.option("--copy", default="Auto", show_default=True,
              type=click.Choice(["Auto", "StopAndCopy", "PostCopy"]),
              help="move: when the memory travels.")  # fmt: skip
@click.pass_context
def demo(ctx: click.Context, /, name: str, scene: str, mb: int, rate: int, copy: str) -> None:
    """Rescue a node that runs out of memory, beside the same without podferry.

    Two services grow on one node. With podferry the right one is moved in time; without it kubelet
    evicts one. `--scene move` moves a service to another node and back instead. Both show what the
    clients saw. Needs root on Debian. Starts a lab of two real nodes, or takes the one that runs.
    """
    began = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"[{time.monotonic() - began:5.1f} s] {text}", err=True)

    try:
        if scene == "rescue":
            report = demo_rescue.run(name, say)
        else:
            report = _run(name, mb=mb, rate=rate, copy=copy, say=say)
    except (DemoError, InstallError, LabError, PartsError) as error:
        click.echo(f"podferry demo: {error}", err=True)
        click.echo(f"look around: {lab_command(name, 'status')}", err=True)
        ctx.exit(exits.ENDED_OTHERWISE)
    click.echo("\n".join(report.lines))
    say("demo ended")
    click.echo("\n" + how_to_go_on(name, scene))
    if report.problems:
        click.echo("\nFAILED: " + "; ".join(report.problems), err=True)
        ctx.exit(exits.ENDED_OTHERWISE)


def _run(name: str, *, mb: int, rate: int, copy: str, say: Callable[[str], None]) -> Report:
    world = demo_world.start_lab(name, say)
    demo_world.install(world, say)
    say(f"starting a service that keeps {mb} MiB in memory")
    demo_world.start_service(world, mb=mb, rate=rate)
    before = demo_world.checksum(world)
    home = demo_world.pod(world)["node"]
    away = next(n for n in ("node-a", "node-b") if n != home)
    say(f"it runs on {home}; a client asks for the next number every 5 ms")
    moves = []
    with _client(world) as client:
        for target in (away, home):
            client.wait_for_answers(ANSWERS_BETWEEN, seconds=SECONDS_BETWEEN)
            moves.append(_move(world, target, copy))
        client.wait_for_answers(ANSWERS_BETWEEN, seconds=SECONDS_BETWEEN)
        lines = client.stop()
    after = demo_world.checksum(world)
    try:
        found, failures = records.parse(lines)
    except ValueError as error:
        raise DemoError(f"the client's records in {RECORDS}: {error}") from None
    return judge(moves, records.check(found, failures), found, before=before, after=after)


@contextmanager
def _client(world: World) -> Iterator[demo_world.Client]:
    client = demo_world.Client(world, RECORDS)
    try:
        yield client
    finally:
        client.stop()


def _move(world: World, target: str, copy: str) -> Move:
    ref = WorkloadRef(WorkloadKind.DEPLOYMENT, SERVICE)
    spec = spec_of(ref, to=target, strategy="Auto", copy=copy, max_freeze=None, deadline="2m")
    request = Request(ref, spec, Cluster(str(world.lab.kubeconfig), None, NAMESPACE))
    click.echo("")
    began = time.monotonic()
    code = perform(request)
    click.echo("")
    if code == exits.INTERRUPTED:
        raise click.Abort
    if code != exits.DONE or request.final is None:
        told = timeline.why(request.final) if request.final else "see above"
        raise DemoError(f"the move to {target} did not succeed: {told}")
    here = demo_world.pod(world)["node"]
    if here != target:
        raise DemoError(f"the move succeeded, but the service runs on {here} and not on {target}")
    return Move(request.final, began)


def judge(
    moves: list[Move],
    verdict: records.Verdict,
    found: list[records.Record],
    *,
    before: tuple[str, str],
    after: tuple[str, str],
) -> Report:
    """Compare what was promised with what was seen. Pure."""
    problems = list(verdict.problems)
    lines = ["What the client saw"]
    kept = "each exactly once and in order" if verdict.ok else "; ".join(verdict.problems)
    lines.append(_line("numbers", f"{verdict.first} ... {verdict.last}: {verdict.answers}, {kept}"))
    lines.append(_line("process", f"boot id {', '.join(verdict.boot_ids) or '-'}"))
    ends = [_pods(move) for move in moves]
    lines.append(_line("pods", " -> ".join([*(a for a, _ in ends[:1]), *(b for _, b in ends)])))
    lines.append(_line("longest gap", f"{verdict.longest_gap_seconds * 1000:.0f} ms"))
    lines.append(_line("unanswered", f"{verdict.unanswered} requests, tried again at once"))
    same = before[0] == before[1] == after[0] == after[1]
    if not same:
        problems.append(f"memory checksum {after[0]}, expected {after[1]} (at first {before[0]})")
    lines.append(_line("memory", f"checksum {after[0]} " + ("as expected" if same else "WRONG")))
    for place, move in enumerate(moves, start=1):
        # a gap ends before the next move begins: the demo waits for answers in between
        until = moves[place].began if place < len(moves) else math.inf
        told, wrong = _of_move(move, found, until)
        lines.append(_line(f"move {place}", told))
        problems += [f"move {place}: {text}" for text in wrong]
    return Report(tuple(lines), tuple(problems))


def _pods(move: Move) -> tuple[str, str]:
    status = move.migration.get("status") or {}
    source, target = (str((status.get(end) or {}).get("pod", "?")) for end in ("source", "target"))
    return source, target


def _of_move(move: Move, found: list[records.Record], until: float) -> tuple[str, list[str]]:
    status = move.migration.get("status") or {}
    predicted, measured = status.get("prediction") or {}, status.get("measured") or {}
    wrong = []
    if phase_of(move.migration) != "Succeeded":
        wrong.append(f"ended {phase_of(move.migration)}")
    if not measured.get("freezeSeconds"):
        wrong.append("no freeze was measured")
    if not predicted:
        wrong.append("no freeze was predicted")
    gap = records.longest_gap_between(found, move.began, until)
    source, target = timeline.route(move.migration)
    frozen = float(measured.get("freezeSeconds") or 0.0)
    expected = timeline.seconds(predicted.get("freezeP50Seconds"))
    high = timeline.seconds(predicted.get("freezeP95Seconds"))
    told = "\n".join(
        [
            f"{source} -> {target}, {status.get('copy') or '?'}, "
            f"{timeline.size(measured.get('bytes'))} moved in "
            f"{timeline.seconds(measured.get('totalSeconds'))}",
            _line("  freeze", f"{timeline.seconds(frozen)}, predicted {expected} (95 % below "
                  f"{high}; {predicted.get('source', '-')})"),
            _line("  seen", f"{gap * 1000:.0f} ms without an answer: the freeze and "
                  f"{max(0.0, gap - frozen) * 1000:.0f} ms until Kubernetes sent the client to the "
                  "new pod"),
        ]
    )  # fmt: skip
    return told, wrong


def _line(name: str, text: str) -> str:
    return f"  {name:<12} {text}"


def lab_command(name: str, rest: str) -> str:
    """A `podferry lab` command line for this lab, to be copied."""
    verb, _, args = rest.partition(" ")
    return f".venv/bin/podferry lab {verb} --name {name}" + (f" {args}" if args else "")


def how_to_go_on(name: str, scene: str) -> str:
    """How to look around and how to stop."""
    kubeconfig = f"$({lab_command(name, 'kubeconfig')})"
    if scene == "rescue":
        more = ["  .venv/bin/podferry top", f"  .venv/bin/podferry plan {demo_scene.HOME}"]
    else:
        more = [
            f"  .venv/bin/podferry list -n {NAMESPACE}",
            "  .venv/bin/podferry nodes",
            f"  .venv/bin/podferry migrate deployment/{SERVICE} -n {NAMESPACE} --to node-b",
        ]
    return "\n".join(
        [
            "Look around",
            f"  export KUBECONFIG={kubeconfig}",
            f"  {lab_command(name, f'kubectl -- get pods,migrations -n {NAMESPACE} -o wide')}",
            *more,
            "Stop",
            f"  {lab_command(name, 'down')}",
        ]
    )
