"""`podferry migrate`: asks for one move, then tells what happens.

Owns the request and the telling; decides nothing about the move itself. A Ctrl-C ends the telling,
never the move.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import click
from rich.console import Console

from podferry.api.clock import Clock, SystemClock
from podferry.api.migration import CopyMode, StrategyName, WorkloadRef
from podferry.api.reasons import Phase
from podferry.cli import exits, follow, live, timeline, values
from podferry.cli.session import Cluster, cluster_options, namespace_option, talk
from podferry.kube import paths
from podferry.kube.client import ApiClient
from podferry.wire.names import SYSTEM_NAMESPACE

Object = dict[str, Any]
MAX_FREEZE_SECONDS = 3600.0
DEADLINE_SECONDS = (1.0, 24 * 3600.0)
UNCLAIMED_SECONDS = 10.0
NAME_LIMIT = 50
"""Longest stem of a generated name; the API server adds five characters."""


@dataclass(slots=True)
class Request:
    """What is asked for, and what came of it so far."""

    ref: WorkloadRef
    spec: Object
    cluster: Cluster
    output: str = "text"
    wait: bool = True
    clock: Clock = field(default_factory=SystemClock)
    created: Object | None = None
    final: Object | None = None


def spec_of(
    ref: WorkloadRef,
    *,
    to: str | None,
    strategy: str,
    copy: str,
    max_freeze: str | None,
    deadline: str,
    freeze_first: bool = False,
) -> Object:
    """Return the spec of a Migration.

    Raises:
        ValueError: a value makes no sense, with what is allowed.
    """
    spec: Object = {
        "workloadRef": {"kind": ref.kind.value, "name": ref.name},
        "strategy": strategy,
        "copy": copy,
    }
    if to is not None:
        spec["targetNode"] = values.object_name(to, what="--to: name of the node")
    if max_freeze is not None:
        budget = _duration("--max-freeze", max_freeze, most=MAX_FREEZE_SECONDS)
        spec["maxFreezeSeconds"] = budget
    if freeze_first:
        spec["freezeFirst"] = True
    least, most = DEADLINE_SECONDS
    spec["deadlineSeconds"] = round(_duration("--deadline", deadline, least=least, most=most))
    return spec


def _duration(option: str, text: str, *, most: float, least: float = 0.001) -> float:
    try:
        return values.duration(text, least=least, most=most)
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None


def body_of(ref: WorkloadRef, spec: Object) -> Object:
    """Return the object that is sent; the server completes its name."""
    return {
        "apiVersion": paths.GROUP_VERSION,
        "kind": "Migration",
        "metadata": {"generateName": f"{ref.name[:NAME_LIMIT].rstrip('-.')}-"},
        "spec": spec,
    }


def _choice(
    name: str, kind: type[CopyMode] | type[StrategyName], *, help_text: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option with the names of the API; any case may be typed."""
    names = [member.value for member in kind]
    choice = click.Choice(names, case_sensitive=False)
    return click.option(name, type=choice, metavar="|".join(names), default="Auto", help=help_text)


@click.command()
@click.argument("workload", metavar="KIND/NAME")
@click.option("--to", metavar="NODE", help="Target node. [default: podferry chooses]")
@_choice("--strategy", StrategyName, help_text="How the workload is moved. [default: Auto]")
@_choice("--copy", CopyMode, help_text="When the memory travels. [default: Auto]")
@click.option("--max-freeze", metavar="TIME",
              help="Refuse if the predicted freeze is longer, such as 500ms.")  # fmt: skip
@click.option("--freeze-first", is_flag=True,
              help="Freeze it before its target is prepared: it grows no more.")  # fmt: skip
@click.option("--deadline", metavar="TIME", default="5m", show_default=True,
              help="Roll back if it is not decided by then.")  # fmt: skip
@click.option("--wait/--no-wait", default=True, show_default=True,
              help="Follow the migration until it ends.")  # fmt: skip
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text",
              show_default=True, help="json: the Migration object as stored.")  # fmt: skip
@namespace_option
@cluster_options
@click.pass_context
def migrate(ctx: click.Context, /, workload: str, **options: Any) -> None:
    """Move a running workload to another node without losing its progress.

    KIND is pod, deployment, statefulset or job. Ctrl-C ends the display; the migration goes on.
    """
    try:
        ref = values.workload(workload)
        spec = spec_of(
            ref,
            to=options["to"],
            strategy=options["strategy"],
            copy=options["copy"],
            max_freeze=options["max_freeze"],
            deadline=options["deadline"],
            freeze_first=options["freeze_first"],
        )
    except ValueError as error:
        raise click.UsageError(str(error), ctx) from None
    cluster = Cluster(options["kubeconfig"], options["context"], options["namespace"])
    request = Request(ref, spec, cluster, output=options["output"], wait=options["wait"])
    ctx.exit(perform(request))


def perform(request: Request) -> int:
    """Create the Migration and follow it; returns the exit code."""
    try:
        return talk(request.cluster, lambda client, namespace: run(request, client, namespace))
    except KeyboardInterrupt:
        click.echo(interrupted(request), err=True)
        return exits.INTERRUPTED


def interrupted(request: Request) -> str:
    """What a person must know after a Ctrl-C."""
    if request.created is None:
        return (
            "\ninterrupted while the request was being sent; whether it arrived is not known: "
            f"podferry list{request.cluster.flags()}"
        )
    name = request.created["metadata"]["name"]
    flags = request.cluster.flags()
    return (
        f"\nThe migration {name} goes on.\n"
        f"  look at it:  podferry describe {name}{flags}\n"
        f"  stop it:     podferry cancel {name}{flags}"
    )


async def run(request: Request, client: ApiClient, namespace: str) -> int:
    """Create the Migration, follow it if wanted, and return the exit code. Raises ApiError."""
    began = request.clock.monotonic()
    path = paths.migrations(namespace)
    request.created = await client.create(path, body_of(request.ref, request.spec))
    final = request.created
    if request.wait:
        final = await _tell(request, client, began)
    request.final = final
    if request.output == "json":
        click.echo(json.dumps(final, indent=2))
    elif not request.wait:
        name = final["metadata"]["name"]
        click.echo(f"migration {name} created; podferry describe {name}{request.cluster.flags()}")
    if not request.wait or follow.phase_of(final) == Phase.SUCCEEDED:
        return exits.DONE
    return exits.ENDED_OTHERWISE


async def _tell(request: Request, client: ApiClient, began: float) -> Object:
    assert request.created is not None
    json_wanted = request.output == "json"
    terminal = sys.stdout.isatty() and not json_wanted
    display: AbstractContextManager[Any] = nullcontext()
    see: Callable[[Object, float], None] = Lines(err=json_wanted).see
    if terminal:
        story = live.Story(request.created)
        display, see = live.show(story, Console()), story.see
    migration = request.created
    hint = asyncio.get_running_loop().call_later(UNCLAIMED_SECONDS, _unclaimed)
    with display:
        changes = follow.versions(client, migration, clock=request.clock)
        async for migration in changes:
            see(migration, request.clock.monotonic() - began)
            if migration.get("status"):
                hint.cancel()
    hint.cancel()
    if not terminal:
        for text in timeline.summary(migration):
            click.echo(text, err=json_wanted)
    return migration


def _unclaimed() -> None:
    click.echo(
        f"no controller has looked at it for {UNCLAIMED_SECONDS:g} s; "
        f"see: kubectl -n {SYSTEM_NAMESPACE} get pods",
        err=True,
    )


class Lines:
    """Prints one line per phase; with `err` on standard error."""

    def __init__(self, *, err: bool) -> None:
        self._err = err
        self._last = ""

    def see(self, migration: Object, since_seconds: float) -> None:
        """Print the header at first, then a line whenever the phase is a new one."""
        if not self._last:
            click.echo(timeline.header(migration), err=self._err)
            click.echo(timeline.how(migration), err=self._err)
        if follow.phase_of(migration) != self._last:
            self._last = follow.phase_of(migration)
            click.echo(timeline.line(migration, since_seconds), err=self._err)
