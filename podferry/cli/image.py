"""`podferry image`: builds the container image of controller and agent, without Docker."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from podferry.cli import exits

DEFAULT = Path("build/podferry-image.tar")


def build(out: Path) -> None:
    """Write the image archive to `out`, with progress on standard error."""
    images: Any = importlib.import_module("podferry.lab.images")
    out.parent.mkdir(parents=True, exist_ok=True)
    images.build_podferry_image(out=out, progress=lambda text: click.echo(text, err=True))


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=DEFAULT, show_default=True,
    help="Where the archive is written.",
)  # fmt: skip
@click.pass_context
def image(ctx: click.Context, out: Path) -> None:
    """Build the container image of controller and agent as a docker-archive tar."""
    from podferry.lab.cluster.errors import LabError

    try:
        build(out)
    except LabError as error:
        click.echo(f"podferry image: {error}", err=True)
        ctx.exit(exits.ENDED_OTHERWISE)
    size = out.stat().st_size / (1 << 20)
    click.echo(f"{out} ({size:.0f} MiB); into a lab: podferry lab load-image {out}")
