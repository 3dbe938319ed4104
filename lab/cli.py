"""`podferry lab ...`: the commands of the local cluster.

Turns arguments into calls and LabErrors into one line on standard error; decides nothing itself.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from typing import TypeVar, cast

import click

from podferry.lab.cluster import inspect, lifecycle, reboot
from podferry.lab.cluster.errors import LabError
from podferry.lab.cluster.model import Lab, parse_memory
from podferry.lab.parts.errors import PartsError

F = TypeVar("F", bound=Callable[..., None])


def _command(function: F) -> F:
    """Add --name and show a LabError as one line with exit code 1."""

    @functools.wraps(function)
    def wrapped(*args: object, **kwargs: object) -> None:
        try:
            function(*args, **kwargs)
        except (LabError, PartsError) as error:
            click.echo(f"podferry lab: {error}", err=True)
            sys.exit(1)

    option = click.option("--name", default="default", show_default=True, help="Which lab.")
    return cast(F, option(wrapped))


def _say(text: str) -> None:
    click.echo(text, err=True)


def _own(args: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments after the `--` that separates them from ours."""
    return args[1:] if args[:1] == ("--",) else args


PASS_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@click.group()
def lab() -> None:
    """A real Kubernetes cluster in namespaces of this machine (as root)."""


@lab.command()
@click.option("--nodes", default=2, show_default=True, help="How many nodes.")
@click.option("--node-memory", default="3Gi", show_default=True, help="Memory of each node.")
@_command
def up(name: str, nodes: int, node_memory: str) -> None:
    """Start the lab; a running one is left as it is."""
    memory = parse_memory(node_memory)
    target = Lab.named(name)
    lifecycle.up(target, node_count=nodes, node_memory=memory, parts=_parts, progress=_say)
    click.echo(f"export KUBECONFIG={target.kubeconfig}")


def _parts() -> lifecycle.Parts:
    from podferry.lab import parts  # building is heavy to import and not always needed

    return parts.ensure(progress=_say)


@lab.command()
def build() -> None:
    """Build what a lab is made of into the cache; nothing is started."""
    try:
        made = _parts()
    except PartsError as error:
        click.echo(f"podferry lab: {error}", err=True)
        sys.exit(1)
    click.echo(f"everything is there: {len(made.versions)} parts")


@lab.command()
@_command
def down(name: str) -> None:
    """Stop the lab and leave no trace of it."""
    target = Lab.named(name)
    if lifecycle.down(target, _say):
        click.echo(f"lab {name!r} is gone")
    else:
        click.echo(f"there is no lab {name!r}")


@lab.command()
@click.option("-o", "output", type=click.Choice(["text", "json"]), default="text")
@_command
def status(name: str, output: str) -> None:
    """Show nodes, components and every version that runs."""
    found = inspect.status(Lab.named(name))
    if output == "json":
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo(inspect.as_text(found))


@lab.command("reboot")
@click.argument("node")
@_command
def reboot_(name: str, node: str) -> None:
    """Cut the power of a node and start it again: podferry lab reboot node-a."""
    target = Lab.named(name)
    reboot.power_off(target, node)
    _say(f"{node} is off")
    reboot.power_on(target, node)
    click.echo(f"{node} starts")


@lab.command()
@_command
def kubeconfig(name: str) -> None:
    """Print the path of the administrator's kubeconfig."""
    click.echo(inspect.kubeconfig(Lab.named(name)))


@lab.command(context_settings=PASS_ON)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@_command
def kubectl(name: str, args: tuple[str, ...]) -> None:
    """Run kubectl against the lab: podferry lab kubectl -- get pods."""
    argv = inspect.kubectl_argv(Lab.named(name), _own(args))
    os.execv(argv[0], argv)  # noqa: S606 - the user's own kubectl call


@lab.command("exec", context_settings=PASS_ON)
@click.argument("node")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, required=True)
@_command
def exec_(name: str, node: str, argv: tuple[str, ...]) -> None:
    """Run a command inside a node (or `control`): podferry lab exec node-a -- crictl ps."""
    command = inspect.exec_argv(Lab.named(name), node, _own(argv))
    os.execvp(command[0], command)  # noqa: S606 - the user's own command


@lab.command("load-image")
@click.argument("tar", type=click.Path())
@_command
def load_image(name: str, tar: str) -> None:
    """Import an image archive (docker-archive or OCI layout tar) into every node."""
    for line in inspect.load_image(Lab.named(name), tar, _say):
        click.echo(line)


@lab.command()
@click.argument("component")
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows.")
@_command
def logs(name: str, component: str, follow: bool) -> None:
    """Print a component's log: etcd, apiserver, kubelet@node-a, containerd@node-b, ..."""
    path = inspect.log_file(Lab.named(name), component)
    if follow:
        os.execvp("tail", ["tail", "-n", "+1", "-F", str(path)])  # noqa: S606
    with path.open(errors="replace") as file:
        for line in file:
            click.echo(line, nl=False)


if __name__ == "__main__":
    lab()
