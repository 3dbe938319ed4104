"""`podferry plan`: what would be done now about nodes that run out of memory, and why.

Asks the leading controller (`insight`) and prints; decides nothing itself.
"""

from __future__ import annotations

import json
from typing import Any

import click

from podferry.api.clock import SystemClock
from podferry.cli import plan_text, values
from podferry.cli.insight import Asker, NoInsight
from podferry.cli.session import cluster_options, talk
from podferry.cli.show import cluster_of
from podferry.kube.client import ApiClient

Object = dict[str, Any]
NO_POLICY = (
    "no RescuePolicy in this cluster, so agents are not asked for memory and nothing would be "
    "done; one in DryRun is enough: kubectl apply -f cluster-setup/examples/rescuepolicy.yaml"
)

NO_VALID_POLICY = (
    "no RescuePolicy is valid, so agents are not asked for memory and nothing would be done; "
    "podferry plan says what is wrong with each"
)

insight_output_option = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="json: all that the controller tells.",
)  # fmt: skip


@click.command()
@click.argument("node", required=False, default="")
@insight_output_option
@cluster_options
def plan(*, node: str, output: str, **where: str | None) -> None:
    """Show what would be done now about nodes that run out of memory, and why.

    Of NODE, or of every node for which something is foreseen: when kubelet would begin to evict
    (with the 90 % interval), each pod's score and why it was chosen or not, the nodes it could
    go to, and the move itself. Changes nothing.
    """
    if node:
        _check(node)

    async def job(client: ApiClient, _namespace: str) -> Object:
        return await Asker(client, SystemClock()).ask(node=node)

    told = talk(cluster_of(where), job)
    if node and node not in [each["name"] for each in told["nodes"]]:
        raise NoInsight(f"no node {node} is watched; the nodes there are: podferry top nodes")
    warn(told)
    if output == "json":
        click.echo(json.dumps(told, indent=2))
        return
    click.echo("\n".join(plan_text.lines(told, node)))


def warn(told: Object) -> None:
    """Say on standard error where no policy stands behind what is shown."""
    if not told["policies"]:
        click.echo(f"podferry: {NO_POLICY}", err=True)
    elif not any(policy["valid"] for policy in told["policies"]):
        click.echo(f"podferry: {NO_VALID_POLICY}", err=True)


def _check(node: str) -> None:
    try:
        values.object_name(node, what="name of the node")
    except ValueError as error:
        raise click.UsageError(str(error)) from None
