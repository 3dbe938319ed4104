"""`podferry controller` and `podferry agent ...`: hands the arguments on to the parts themselves.

Owns no option of theirs; imports the one part that is asked for and nothing else.
"""

from __future__ import annotations

import importlib
from typing import Any

import click

PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}
INSTALLER = ("install", "check", "undo")


def _run(module: str, function: str, argv: list[str]) -> int:
    """Call `module.function(argv)` and return its exit code (None means 0)."""
    called: Any = getattr(importlib.import_module(module), function)
    code = called(argv)
    return code if isinstance(code, int) else 0


@click.command(context_settings=PASS_ON, add_help_option=False)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def controller(ctx: click.Context, argv: tuple[str, ...]) -> None:
    """Run the controller (in its pod); its options: podferry controller --help."""
    ctx.exit(_run("podferry.controller.runtime.main", "run_controller", list(argv)))


@click.command(context_settings=PASS_ON, add_help_option=False)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def agent(ctx: click.Context, argv: tuple[str, ...]) -> None:
    """Run the node agent, or `install`, `check`, `undo` the parts it puts on a node."""
    if argv and argv[0] in INSTALLER:
        ctx.exit(_run("podferry.agent.installer", "main", list(argv)))
    ctx.exit(_run("podferry.agent.main", "run_agent", list(argv)))
