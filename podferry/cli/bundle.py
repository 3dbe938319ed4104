"""`podferry support-bundle`: what helps somebody else understand a move, in one file.

Owns the options and what is said on the screen; `bundle_read` reads, `bundle_redact` decides what
of an object is kept, `bundle_file` writes.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from podferry.api.clock import Clock, SystemClock
from podferry.cli import bundle_file, exits, values
from podferry.cli.bundle_contents import KIB, LEFT_OUT, Contents
from podferry.cli.bundle_read import collect
from podferry.cli.session import cluster_options, namespace_option, talk
from podferry.cli.show import cluster_of
from podferry.kube.client import ApiClient

SHOWN = 20
"""Lines of one list on the screen; all of them are in the bundle."""


@click.command("support-bundle")
@click.argument("migration", required=False, default="")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.tar.gz",
    help="Where to. [default: podferry-support-TIME.tar.gz here]",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite the file.")
@namespace_option
@cluster_options
@click.pass_context
def support_bundle(
    ctx: click.Context,
    /,
    migration: str,
    output: Path | None,
    force: bool,
    **where: str | None,
) -> None:
    """Collect what helps others understand a move; no Secret, env, argument or memory."""
    clock = SystemClock()
    path = output or Path(clock.now().strftime("podferry-support-%Y%m%dT%H%M%SZ.tar.gz"))
    _check(ctx, migration, path, force)

    async def job(client: ApiClient, namespace: str) -> Contents:
        return await collect(client, namespace, migration, clock)

    contents = talk(cluster_of(where), job)
    data = bundle_file.packed(contents.finished(), _seconds(clock))
    try:
        bundle_file.write(path, data, force=force)
    except OSError as error:
        click.echo(f"podferry: {path} was not written: {error.strerror or error}", err=True)
        ctx.exit(exits.ENDED_OTHERWISE)
    click.echo("\n".join(report(contents, path, len(data))))
    if contents.missing:
        click.echo("\n".join(_some("could not be read:", contents.missing)), err=True)
    ctx.exit(exits.ENDED_OTHERWISE if contents.missing else exits.DONE)


def _check(ctx: click.Context, migration: str, path: Path, force: bool) -> None:
    """Refuse what cannot end well before anything is asked. Raises UsageError."""
    if migration:
        try:
            values.object_name(migration, what="name of the migration")
        except ValueError as error:
            raise click.UsageError(str(error), ctx) from None
    if os.path.lexists(path) and not force:
        raise click.UsageError(f"{path} exists; name another with -o, or use --force", ctx)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise click.UsageError(f"{path.parent} is no folder that you may write to", ctx)


def _seconds(clock: Clock) -> int:
    return int(clock.now().timestamp())


def report(contents: Contents, path: Path, size: int) -> list[str]:
    """What was written, what it holds, what was cut and what is never in it. Pure."""
    held = ", ".join(f"{what} {count}" for what, count in contents.counts.items())
    about = f" about {contents.migration}" if contents.migration else ""
    lines = [
        f"wrote {path}: {-(-size // KIB)} KiB{about}, namespace {contents.namespace}",
        f"holds: {held or 'versions only'}",
    ]
    if contents.gone:
        lines.append(f"gone, as after a move: pods {', '.join(contents.gone[:SHOWN])}")
    if contents.cut:
        lines += _some("cut:", contents.cut)
    lines += ["never in it:", *(f"  {text}" for text in LEFT_OUT)]
    return [
        *lines,
        "the logs of controller and agents are as written: read them before you send it",
    ]


def _some(title: str, rows: dict[str, str]) -> list[str]:
    lines = [title, *(f"  {part}: {why}" for part, why in sorted(rows.items())[:SHOWN])]
    if len(rows) > SHOWN:
        lines.append(f"  and {len(rows) - SHOWN} more, see index.json in it")
    return lines
