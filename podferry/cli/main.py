"""The front door: `podferry` and `kubectl podferry`.

Owns the list of commands and the meaning of an interruption; each command lives in its own module
and is imported only when it is called, so that the agent's image starts fast and needs no lab.
It never talks to a cluster itself.
"""

from __future__ import annotations

import importlib
import sys

import click

from podferry import __version__
from podferry.cli import exits

COMMANDS: dict[str, tuple[str, str]] = {
    "migrate": ("podferry.cli.migrate:migrate", "Move a running workload to another node."),
    "probe": ("podferry.cli.probe:probe", "Say whether a workload can be moved; change nothing."),
    "list": ("podferry.cli.show:list_", "List migrations."),
    "describe": ("podferry.cli.show:describe", "Show one migration with its timeline."),
    "cancel": ("podferry.cli.show:cancel", "Ask a migration to stop before it commits."),
    "drain": ("podferry.cli.drain:drain", "Cordon a node and move its workloads away."),
    "uncordon": ("podferry.cli.drain:uncordon", "Let pods onto a node again."),
    "nodes": ("podferry.cli.nodes:nodes", "Show what each node can do and what it lacks."),
    "plan": ("podferry.cli.plan:plan", "Show what would be done now about memory, and why."),
    "top": ("podferry.cli.top:top", "Show nodes and pods by how soon they run out of memory."),
    "support-bundle": (
        "podferry.cli.bundle:support_bundle",
        "Collect what helps others understand a move.",
    ),
    "simulate": ("podferry.cli.simulate:simulate", "Try a policy on a recorded trace of memory."),
    "install": ("podferry.cli.install:install", "Install podferry into a cluster."),
    "uninstall": ("podferry.cli.uninstall:uninstall", "Remove podferry from a cluster."),
    "image": ("podferry.cli.image:image", "Build the container image, without Docker."),
    "lab": ("podferry.lab.cli:lab", "A real Kubernetes cluster on this machine (as root)."),
    "demo": ("podferry.cli.demo:demo", "Move a running service and show what its client saw."),
    "controller": ("podferry.cli.parts:controller", "Run the controller (in its pod)."),
    "agent": ("podferry.cli.parts:agent", "Run the node agent, or install, check, undo its parts."),
}
"""Name of a command: where it is, and what it does in one line."""


class LazyGroup(click.Group):
    """A group that imports a command only to run it or to show its own help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of COMMANDS, then those that are defined here."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command called `cmd_name`; None where there is none."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list from COMMANDS, without importing any of them."""
        rows = [(name, text) for name, (_, text) in COMMANDS.items()]
        for name in super().list_commands(ctx):
            command = super().get_command(ctx, name)
            rows.append((name, command.get_short_help_str() if command else ""))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Move running Kubernetes workloads between nodes without losing their progress."""


@cli.command()
def version() -> None:
    """Print the version of this program."""
    click.echo(f"podferry {__version__}")


def main() -> None:
    """Entry point of both programs; ends the process with a documented exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(exits.INTERRUPTED)
    sys.exit(code if isinstance(code, int) else exits.DONE)


if __name__ == "__main__":
    main()
