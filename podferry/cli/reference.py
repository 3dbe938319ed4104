"""Writes the options of every command as Markdown, from click's own help.

Owns the generated part of docs/reference/cli.md; a test compares the two. Run it as a program to
write that part anew: python -m podferry.cli.reference
"""

from __future__ import annotations

from pathlib import Path

import click

from podferry.cli import exits
from podferry.cli.main import COMMANDS, cli

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli.md"
BEGIN = "<!-- from here on written by python -m podferry.cli.reference -->"
WIDTH = 96


def render() -> str:
    """Return exit codes and the help of every command, also of those below `lab`."""
    lines = ["## Exit codes", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {text} |" for code, text in exits.MEANING.items()]
    top = click.Context(
        cli, info_name="podferry", terminal_width=WIDTH, help_option_names=["-h", "--help"]
    )
    for name in [*COMMANDS, "version"]:
        command = cli.get_command(top, name)
        assert command is not None
        lines += ["", *_help(command, top, name)]
        if isinstance(command, click.Group):
            inner = click.Context(command, info_name=name, parent=top, terminal_width=WIDTH)
            for sub in sorted(command.commands):
                lines += ["", *_help(command.commands[sub], inner, sub)]
    return "\n".join(lines) + "\n"


def _help(command: click.Command, parent: click.Context, name: str) -> list[str]:
    context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH)
    text = command.get_help(context).rstrip()
    return [f"## {context.command_path}", "```", text, "```"]


def page(before: str) -> str:
    """Return the page with its generated part anew; `before` is the page as it is."""
    kept, mark, _ = before.partition(BEGIN)
    assert mark, f"{PAGE.name} has lost the line {BEGIN!r}"
    return f"{kept}{BEGIN}\n\n{render()}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
