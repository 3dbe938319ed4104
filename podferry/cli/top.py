"""`podferry top`: memory of nodes and pods as the leading controller sees it, live on a terminal.

Asks again and again through one connection; owns the redrawing. The rows are made by `top_rows`.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from podferry.api.clock import Clock, SystemClock
from podferry.cli import top_rows
from podferry.cli.insight import Asker, NoInsight
from podferry.cli.plan import insight_output_option, warn
from podferry.cli.session import cluster_options, talk
from podferry.cli.show import cluster_of, table
from podferry.kube import errors
from podferry.kube.client import ApiClient

Object = dict[str, Any]
Row = tuple[str, ...]
PERIOD_SECONDS = 2.0
AWAY_SECONDS = 60.0
"""A live display outlives so long without an answer [s]."""
PARTS = {
    "nodes": ("nodes", "policies"),
    "pods": ("nodes", "pods", "policies"),
    "all": ("nodes", "pods", "policies"),
}
CALM, PRESSED = ("fine",), ("Move", "WouldMove", "NoRoom", "NoVictim", "TooFast")


@click.command()
@click.argument("what", type=click.Choice(["nodes", "pods"]), required=False, default=None)
@click.option("--node", default="", help="Only this node and its pods.")
@click.option("--once", is_flag=True, help="One table; also where this is no terminal.")
@insight_output_option
@cluster_options
def top(*, what: str | None, node: str, once: bool, output: str, **where: str | None) -> None:
    """Show nodes and pods by how soon they run out of memory; on a terminal live.

    Nodes: what is available, the slope of the used memory, and when kubelet would begin to evict
    at this pace (with the 90 % interval). Pods that opted in: working set, RSS, slope, the freeze
    and the time that a move is predicted to take, and whether they could be moved. Ctrl-C ends it.
    """
    shown = what or "all"
    console = Console(highlight=False)
    clock = SystemClock()

    async def job(client: ApiClient, _namespace: str) -> Object | None:
        asker = Asker(client, clock)
        first = await asker.ask(node=node, parts=PARTS[shown])
        if node and node not in [each["name"] for each in first["nodes"]]:
            raise NoInsight(f"no node {node} is watched; all of them: podferry top nodes")
        if once or output == "json" or not console.is_terminal:
            return first
        await follow(asker, first, console, clock, shown=shown, node=node)
        return None

    try:
        told = talk(cluster_of(where), job)
    except KeyboardInterrupt:
        return  # the way to end a live display
    if told is None:
        return
    warn(told)
    if output == "json":
        click.echo(json.dumps(told, indent=2))
        return
    click.echo("\n\n".join(table(rows) for rows in tables(told, shown, node)))


def tables(told: Object, shown: str, node: str) -> list[list[Row]]:
    """The tables that are wanted, each with its head."""
    found: list[list[Row]] = []
    if shown != "pods":
        nodes = [row for row in top_rows.nodes(told) if node in ("", row[0])]
        found.append([top_rows.NODES, *nodes])
    if shown != "nodes":
        found.append([top_rows.PODS, *top_rows.pods(told, node)])
    return found


async def follow(
    asker: Asker, told: Object, console: Console, clock: Clock, *, shown: str, node: str
) -> None:
    """Redraw until interrupted. Raises what the last try raised once nothing came for a minute."""
    heard, trouble = clock.monotonic(), ""
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while True:
            live.update(screen(told, shown, node, console.height, trouble), refresh=True)
            await asyncio.sleep(PERIOD_SECONDS)
            try:
                told = await asker.ask(node=node, parts=PARTS[shown])
                heard, trouble = clock.monotonic(), ""
            except (errors.ApiError, NoInsight) as error:
                away = clock.monotonic() - heard
                if away > AWAY_SECONDS:
                    raise
                trouble = f"no answer for {away:.0f} s: {error.message}"


def screen(told: Object, shown: str, node: str, height: int, trouble: str = "") -> RenderableType:
    """What is drawn: as many rows of each table as `height` lines have room for."""
    head = Text.assemble(
        ("podferry top  ", "bold cyan"), (f"{told['leader']}  {told['at']}", "dim")
    )
    parts: list[RenderableType] = [head]
    if not told.get("policies"):
        parts.append(
            Text("no RescuePolicy: nothing is asked, nothing would be done", style="yellow")
        )
    if trouble:
        parts.append(Text(trouble, style="red"))
    wanted = tables(told, shown, node)
    # Each table has a head, a line that tells what is left out, and a line above.
    room = max(1, (height - len(parts) - 1) // len(wanted) - 3)
    for rows in wanted:
        parts += [Text(""), drawn(rows[0], rows[1 : room + 1])]
        left = len(rows) - 1 - room
        if left > 0:
            parts.append(Text(f"and {left} more: --once shows all", style="dim"))
    return Group(*parts)


def drawn(head: Row, rows: list[Row]) -> Table:
    """A table without lines, in which what needs a look has a colour."""
    made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for number, name in enumerate(head):
        made.add_column(name, no_wrap=number < len(head) - 1, overflow="ellipsis")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row), style=_style(head, row))
    return made


def _style(head: Row, row: Row) -> str:
    told = dict(zip(head, row, strict=True))
    if head is top_rows.PODS:
        return {"moving": "cyan", "can move": ""}.get(told["VERDICT"], "dim")
    state = told["STATE"]
    if state == "unknown":
        return "yellow"
    return "" if state in CALM else "red" if state in PRESSED else "cyan"
