"""`podferry simulate`: replay a trace on a cluster that does not exist, with and without a policy.

Owns the options, what is checked before anything is run or written, and what an interruption
leaves. The simulation itself, and with it numpy, is imported only when something is run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import click

from podferry.api.quantity import parse_bytes
from podferry.cli import exits
from podferry.cli.progress import Progress
from podferry.policies.presets import PRESETS
from podferry.simulator.errors import BadInput, MissingExtra
from podferry.simulator.sweep import plan, run, settings, work
from podferry.simulator.sweep.cells import Cell
from podferry.simulator.sweep.journal import Journal
from podferry.simulator.sweep.summary import Summary, summarise

MOST_WORKERS = 256
OF_ONE_CELL = ("trace", "nodes", "node-memory", "requests", "strategy")
"""Settings that have an option of their own."""


class Refused(click.ClickException):
    """Bad input: one line on standard error, nothing written."""

    exit_code = exits.BAD_INPUT


@dataclass(frozen=True, slots=True)
class Asked:
    """The options, read."""

    cells: list[Cell]
    workers: int
    limit: float | None
    results: Path | None
    report: Path | None
    output: str
    title: str


@click.command()
@click.option("--trace", metavar="o10n|FILE", help="What to replay. [default: o10n]")
@click.option("--nodes", metavar="N", help="Equal nodes. [default: 4]")
@click.option("--node-memory", metavar="SIZE", help="Memory of each. [default: 450Gi]")
@click.option(
    "--requests",
    metavar="honoured|FACTOR",
    help="Of the trace's requests; 0: none. [default: honoured]",
)
@click.option(
    "--policy",
    metavar="FILE|none",
    help="What moves pods; also seed, seed-simulator, seed-predictive. [default: none]",
)
@click.option(
    "--strategy",
    metavar="container|virtual-machine|cold-restart",
    help="How a pod is moved. [default: container]",
)
@click.option(
    "--set",
    "more",
    metavar="NAME=VALUE",
    multiple=True,
    help="Any other setting, such as speed=3.35 (s/GiB), sampling=60, failures=0.1.",
)
@click.option("--sweep", metavar="FILE", help="Many cells; instead of the options above.")
@click.option("--seeds", metavar="K", help="Runs of each cell. [default: 200, or the sweep's]")
@click.option("--first-seed", metavar="N", help="The first of them. [default: 0, or the sweep's]")
@click.option("--workers", metavar="W", default="1", show_default=True, help="Processes.")
@click.option(
    "--results",
    metavar="FILE.csv",
    help="Every run, written as it ends; one that is there is not run again. "
    "[default: beside the sweep file; without one: not kept]",
)
@click.option(
    "--trace-memory",
    metavar="SIZE",
    help="Memory that a trace may take. [default: half of what is free]",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
)
@click.option("--report", metavar="FILE.html", help="Write one HTML page with plots.")
@click.pass_context
def simulate(context: click.Context, /, **options: Any) -> None:
    """Simulate a cluster on a recorded trace: evictions, OOM kills, moves, lost work.

    Every cell is run with many seeds; shares come with 95 % intervals. Ctrl-C keeps what is done;
    with --results the same command goes on from there. See docs/how-to/choose-a-policy.md.
    """
    with _one_line():
        asked = _asked(options)
        bench = work.Bench(asked.cells, asked.limit)
        bench.check()
        work.engine()
        _writable(asked.report)
        with Journal(asked.results) as journal:
            interrupted = _run(asked, journal, bench)
            lines = summarise(asked.cells, journal)
            _tell(asked, bench, lines)
    if interrupted:
        context.exit(exits.INTERRUPTED)


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except BadInput as error:
        raise Refused(str(error)) from None
    except MissingExtra as error:
        raise click.ClickException(str(error)) from None


def _run(asked: Asked, journal: Journal, bench: work.Bench) -> bool:
    total = sum(len(cell.seeds) for cell in asked.cells)
    left = sum(len(seeds) for _, seeds in run.todo(asked.cells, journal))
    with Progress(total, done=total - left) as progress:
        try:
            run.sweep(
                asked.cells,
                journal,
                bench,
                workers=asked.workers,
                limit=asked.limit,
                told=progress.advance,
            )
        except KeyboardInterrupt:
            kept = f"kept in {asked.results}" if asked.results else "not kept; give --results"
            progress.say(f"interrupted: {progress.done:,} of {total:,} runs are done, {kept}")
            return True
    return False


def _tell(asked: Asked, bench: work.Bench, lines: list[Summary]) -> None:
    from podferry.simulator.report import page, text

    if not lines:
        return
    shown = {"table": text.table, "json": text.as_json, "csv": text.as_csv}[asked.output](lines)
    click.echo(shown.rstrip("\n"))
    if asked.report is not None:
        sources = [bench.trace(line.cell.values["trace"]).source for line in lines]
        _write(asked.report, page.page(lines, sources, asked.title))
        click.echo(f"report: {asked.report}", err=True)


def _asked(options: dict[str, Any]) -> Asked:
    workers = _whole("--workers", options["workers"], 1, MOST_WORKERS)
    count = _given("--seeds", options["seeds"], 1)
    first = _given("--first-seed", options["first_seed"], 0)
    sweep: str | None = options["sweep"]
    results = Path(options["results"]) if options["results"] else None
    if sweep:
        cells = _of_sweep(Path(sweep), options, count, first)
        results = results or Path(sweep).with_suffix(".runs.csv")
        title = f"podferry simulate: {Path(sweep).name}"
    else:
        wanted = plan.seeds(count or plan.SEEDS, first or 0, "podferry simulate")
        cells = [_one_cell(options, wanted)]
        title = f"podferry simulate: {cells[0].values['trace']}"
    return Asked(
        cells,
        workers,
        _size("--trace-memory", options["trace_memory"]),
        results,
        Path(options["report"]) if options["report"] else None,
        options["output"],
        title,
    )


def _of_sweep(
    path: Path, options: dict[str, Any], count: int | None, first: int | None
) -> list[Cell]:
    names = [*OF_ONE_CELL, "policy"]
    given = [f"--{name}" for name in names if options[name.replace("-", "_")] is not None]
    given += ["--set"] if options["more"] else []
    if given:
        raise BadInput(f"{given[0]}: the sweep file says it; leave out one of both")
    cells = plan.load(path)
    if count is None and first is None:
        return cells
    return [
        replace(
            cell,
            seeds=plan.seeds(
                len(cell.seeds) if count is None else count,
                cell.seeds.start if first is None else first,
                "podferry simulate",
            ),
        )
        for cell in cells
    ]


def _one_cell(options: dict[str, Any], wanted: range) -> Cell:
    chosen: dict[str, Any] = {}
    for name in OF_ONE_CELL:
        value = options[name.replace("-", "_")]
        if value is not None:
            settings.read(name, value, f"--{name}")
            chosen[name] = value
    for pair in options["more"]:
        name, mark, value = pair.partition("=")
        if not mark:
            raise BadInput(f"--set {pair[:40]!r}: write NAME=VALUE")
        chosen[name] = _flag(value)
        settings.read(name, chosen[name], f"--set {name}")
    policies: dict[str, Any] = {plan.NONE: None, **PRESETS}
    policy = options["policy"] or plan.NONE
    chosen["policy"] = policy
    if policy not in policies:
        policies[policy] = plan.policy_file(Path(policy))
    return plan.cell("one cell", chosen, list(chosen), wanted, policies, f"--policy {policy}")


def _flag(value: str) -> str | bool:
    return {"true": True, "false": False}.get(value, value)


def _given(name: str, value: str | None, least: int) -> int | None:
    return None if value is None else _whole(name, value, least, plan.MOST_SEEDS)


def _whole(name: str, value: str, least: int, most: int) -> int:
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise BadInput(f"{name}: {value!r} is not a whole number from {least} to {most:,}")
    return int(value)


def _size(name: str, value: str | None) -> float | None:
    try:
        return None if value is None else float(parse_bytes(value))
    except ValueError as error:
        raise BadInput(f"{name}: {error}") from None


def _writable(path: Path | None) -> None:
    """Refuse a report that cannot be written, before hours are spent on it."""
    if path is None:
        return
    if path.is_dir():
        raise BadInput(f"{path}: is a folder; name a file")
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise BadInput(f"{path}: cannot be written: {error.strerror or error}") from None


def _write(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
