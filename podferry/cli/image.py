"""`podferry image`: builds the container image of controller and agent, without Docker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from podferry.cli import exits

DEFAULT = Path("build/podferry-image.tar")


def build(out: Path, *, progress: Callable[[str], None]) -> None:
    """Write the image archive to `out`; PartsError where that cannot be."""
    from podferry.lab.images import build_podferry_image

    build_podferry_image(out=out, progress=progress)


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path), default=DEFAULT, show_default=True,
    help="Where the archive is written.",
)  # fmt: skip
@click.pass_context
def image(ctx: click.Context, out: Path) -> None:
    """Build the container image of controller and agent as a docker-archive tar."""
    from podferry.lab.parts.errors import PartsError

    try:
        build(out, progress=lambda text: click.echo(text, err=True))
    except PartsError as error:
        click.echo(f"podferry image: {error}", err=True)
        ctx.exit(exits.ENDED_OTHERWISE)
    size = out.stat().st_size / (1 << 20)
    click.echo(f"{out} ({size:.0f} MiB); into a lab: podferry lab load-image {out}")
