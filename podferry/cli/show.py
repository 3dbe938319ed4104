"""`podferry list`, `describe` and `cancel`: what Migrations there are, and asking one to stop."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console

from podferry.api.clock import SystemClock
from podferry.cli import exits, follow, live, timeline, values
from podferry.cli.session import Cluster, cluster_options, namespace_option, talk
from podferry.kube import paths
from podferry.kube.client import ApiClient

Object = dict[str, Any]
COLUMNS = ("NAME", "PHASE", "WORKLOAD", "FROM", "TO", "FREEZE", "PREDICTED", "MOVED", "AGE")

output_option = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="json: objects as stored.",
)  # fmt: skip


@click.command("list")
@click.option("-A", "--all-namespaces", is_flag=True, help="Of every namespace.")
@output_option
@namespace_option
@cluster_options
def list_(*, all_namespaces: bool, output: str, **where: str | None) -> None:
    """List migrations, the newest last."""

    async def job(client: ApiClient, namespace: str) -> Object:
        return await client.list(paths.migrations(None if all_namespaces else namespace))

    found = talk(cluster_of(where), job)
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return
    items = sorted(found["items"], key=lambda item: str(item["metadata"]["creationTimestamp"]))
    if not items:
        click.echo("no migrations; make one: podferry migrate KIND/NAME", err=True)
        return
    now = SystemClock().now()
    rows = [_row(item, timeline.age(item, now), with_namespace=all_namespaces) for item in items]
    click.echo(table([(("NAMESPACE",) if all_namespaces else ()) + COLUMNS, *rows]))


def _row(item: Object, age: str, *, with_namespace: bool) -> tuple[str, ...]:
    status = item.get("status") or {}
    measured, predicted = status.get("measured") or {}, status.get("prediction") or {}
    source, target = timeline.route(item)
    row = (
        str(item["metadata"]["name"]),
        follow.phase_of(item),
        timeline.workload(item),
        source,
        target,
        timeline.seconds(measured.get("freezeSeconds")),
        timeline.seconds(predicted.get("freezeP50Seconds")),
        timeline.size(measured.get("bytes")),
        age,
    )
    return (str(item["metadata"]["namespace"]), *row) if with_namespace else row


def table(rows: list[tuple[str, ...]]) -> str:
    """Columns as kubectl prints them: as wide as needed, three spaces apart."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("   ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


@click.command()
@click.argument("name")
@output_option
@namespace_option
@cluster_options
def describe(*, name: str, output: str, **where: str | None) -> None:
    """Show one migration: how, when, what was measured beside what was predicted, and why."""
    checked = _name(name)

    async def job(client: ApiClient, namespace: str) -> Object:
        return await client.get(paths.migrations(namespace, checked))

    found = talk(cluster_of(where), job)
    if output == "json":
        click.echo(json.dumps(found, indent=2))
        return
    console = Console(highlight=False)
    if console.is_terminal:
        story = live.Story(found)
        story.see(found, 0.0)
        console.print(story)
    else:
        click.echo("\n".join([timeline.header(found), *timeline.summary(found)]))
    click.echo(timeline.how(found))
    click.echo("\n".join(details(found)))


def details(migration: Object) -> list[str]:
    """Steps, conditions and attempts, a line each."""
    status = migration.get("status") or {}
    lines = []
    steps = timeline.phases(migration)
    if steps:
        lines.append("steps")
        lines += [f"  {name:<24}{timeline.seconds(took)}" for name, took in steps]
    if status.get("conditions"):
        lines.append("conditions")
    for one in status.get("conditions") or []:
        words = f"{one['type']:<16}{one['status']:<8}{one.get('reason', ''):<20}"
        lines.append(f"  {one.get('lastTransitionTime', '')}  {words} {one.get('message', '')}")
    if status.get("attempts"):
        lines.append("attempts")
    for one in status.get("attempts") or []:
        lines.append(
            f"  {one.get('number')}  {one.get('result')}  {one.get('reason')}: {one.get('message')}"
        )
    if not lines:
        lines.append("no controller has looked at it yet: kubectl -n podferry-system get pods")
    return lines


@click.command()
@click.argument("name")
@namespace_option
@cluster_options
@click.pass_context
def cancel(ctx: click.Context, /, name: str, **where: str | None) -> None:
    """Ask a migration to stop; after its commit only one that lost its pages can be."""
    checked = _name(name)

    async def job(client: ApiClient, namespace: str) -> Object:
        path = paths.migrations(namespace, checked)
        found = await client.get(path)
        if follow.ended(found):
            return found
        return await client.merge_patch(path, {"spec": {"cancel": True}})

    found = talk(cluster_of(where), job)
    if follow.ended(found):
        click.echo(f"migration {name} already ended {follow.phase_of(found)}", err=True)
        ctx.exit(exits.ENDED_OTHERWISE)
    if (found.get("status") or {}).get("decision") == "Committed" and not _lost_pages(found):
        click.echo(f"migration {name} is committed already and will be finished", err=True)
        ctx.exit(exits.ENDED_OTHERWISE)
    click.echo(f"migration {name} was asked to stop; podferry describe {name}")


def _lost_pages(migration: Object) -> bool:
    """Whether it stands still without the rest of its memory; then a cancel takes it back."""
    conditions = (migration.get("status") or {}).get("conditions") or []
    return any((item["type"], item["reason"]) == ("Paging", "PagesLost") for item in conditions)


def _name(text: str) -> str:
    try:
        return values.object_name(text, what="name of the migration")
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def cluster_of(where: dict[str, str | None]) -> Cluster:
    """The cluster that the common options name."""
    return Cluster(where.get("kubeconfig"), where.get("context"), where.get("namespace"))
