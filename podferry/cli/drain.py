"""`podferry drain` and `uncordon`: moves the running workloads of a node away and says what stays.

Owns the words and exit codes; `drain_plan` sorts, `drain_run` acts. Ctrl-C ends the looking, never
a move.
"""

from __future__ import annotations

import json
from typing import Any

import click

from podferry.api.clock import SystemClock
from podferry.api.reasons import Phase
from podferry.cli import drain_run, exits, values
from podferry.cli.drain_plan import Fate, Item, Plan
from podferry.cli.session import Cluster, cluster_options, talk
from podferry.cli.show import cluster_of, output_option
from podferry.kube import paths
from podferry.kube.client import ApiClient

Object = dict[str, Any]
LONGEST_SECONDS = 7 * 24 * 3600.0


@click.command()
@click.argument("node")
@click.option(
    "--dry-run", is_flag=True, help="Print what would be done to each pod; change nothing."
)
@click.option("--at-once", type=click.IntRange(1, 100), default=2, show_default=True,
              help="Moves at a time; without --wait all are asked for.")  # fmt: skip
@click.option("--evict-others", is_flag=True,
              help="Evict pods that cannot be moved and have an owner: they start anew elsewhere,"
                   " their memory is lost. Disruption budgets are kept.")  # fmt: skip
@click.option("--wait/--no-wait", default=True, show_default=True,
              help="Look until the node is empty or nothing more can go.")  # fmt: skip
@click.option("--timeout", metavar="TIME",
              help="Look no longer than this; moves go on. [default: no limit]")  # fmt: skip
@output_option
@cluster_options
@click.pass_context
def drain(ctx: click.Context, /, node: str, **options: Any) -> None:
    """Cordon a node and move its running workloads away; again: goes on where it was.

    Pods that cannot be moved are listed and stay, but for --evict-others. Pods of a DaemonSet and
    static pods are only counted. Exit code 0: nothing else is left on the node.
    """
    try:
        name = values.object_name(node, what="name of the node")
        text = options["timeout"]
        limit = values.duration(text, most=LONGEST_SECONDS) if text else None
    except ValueError as error:
        raise click.UsageError(str(error), ctx) from None
    if options["evict_others"] and not options["wait"]:
        raise click.UsageError("--evict-others evicts after the moves: leave --no-wait", ctx)
    asked = drain_run.Options(
        name, options["at_once"], options["evict_others"], options["wait"], limit
    )
    cluster = cluster_of(options)
    as_json = options["output"] == "json"
    if options["dry_run"]:
        ctx.exit(_dry_run(cluster, name, as_json=as_json))
    ctx.exit(_perform(cluster, asked, as_json=as_json))


@click.command()
@click.argument("node")
@cluster_options
def uncordon(*, node: str, **where: str | None) -> None:
    """Let pods onto a node again, as `kubectl uncordon`; brings nothing back."""
    try:
        name = values.object_name(node, what="name of the node")
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    talk(cluster_of(where), lambda client, _namespace: drain_run.uncordon(client, name))
    click.echo(f"node {name} takes pods again; what was moved stays where it is")


def _dry_run(cluster: Cluster, node: str, *, as_json: bool) -> int:
    async def job(client: ApiClient, _namespace: str) -> Plan:
        await client.get(paths.nodes(node))
        return (await drain_run.read(client, node))[0]

    found = talk(cluster, job)
    click.echo(json.dumps(plan_json(node, found), indent=2) if as_json else plan_text(node, found))
    return exits.ENDED_OTHERWISE if found.of(Fate.STAYS) else exits.DONE


def _perform(cluster: Cluster, options: drain_run.Options, *, as_json: bool) -> int:
    def tell(line: str) -> None:
        click.echo(line, err=as_json)

    async def job(client: ApiClient, _namespace: str) -> drain_run.Result:
        opened = await drain_run.cordon(client, options.node)
        tell(f"node {options.node} {'cordoned' if opened else 'was cordoned already'}")
        tell(plan_text(options.node, (await drain_run.read(client, options.node))[0]))
        return await drain_run.Drain(client, options, clock=SystemClock(), tell=tell).run()

    try:
        result = talk(cluster, job)
    except KeyboardInterrupt:
        click.echo(interrupted(options.node, cluster), err=True)
        return exits.INTERRUPTED
    if as_json:
        click.echo(json.dumps(result_json(options.node, result), indent=2))
    else:
        click.echo("\n".join(summary(options, result)))
    if not options.wait:
        return exits.ENDED_OTHERWISE if result.plan.of(Fate.STAYS) else exits.DONE
    return exits.ENDED_OTHERWISE if result.left() else exits.DONE


def interrupted(node: str, cluster: Cluster) -> str:
    """What a person must know after a Ctrl-C."""
    flags = cluster.flags()
    return (
        f"\nThe moves that were asked for go on; no further one is. Node {node} stays cordoned.\n"
        f"  look:     podferry list -A{flags}\n"
        f"  go on:    podferry drain {node}{flags}\n"
        f"  undo:     podferry cancel NAME -n NAMESPACE{flags}; podferry uncordon {node}{flags}"
    )


def plan_text(node: str, found: Plan) -> str:
    """The plan for a person: one line a pod, the reason of each that stays."""
    counts = ", ".join(f"{len(found.of(fate))} {_WORDS[fate]}" for fate in Fate if found.of(fate))
    lines = [f"node {node}: {counts or 'no pod to drain'}; not counted: {_ignored(found)}"]
    return "\n".join([*lines, *(f"  {_line(item)}" for item in found.items)])


_WORDS = {
    Fate.MOVE: "to move",
    Fate.MOVING: "being moved",
    Fate.STAYS: "staying",
    Fate.LEAVING: "leaving by itself",
    Fate.ARRIVING: "being moved to it",
}


def _ignored(found: Plan) -> str:
    return f"{found.daemon_sets} of DaemonSets, {found.static} static, {found.ended} ended"


def _line(item: Item) -> str:
    where = f"{item.fate.value:<9}{item.namespace}/{item.pod}"
    if item.fate is Fate.MOVE:
        return f"{where}  to one of {', '.join(item.targets)}"
    if item.fate is Fate.MOVING:
        return f"{where}  migration {item.migration}"
    return f"{where}  {item.reason}: {item.message}" if item.reason else where


def summary(options: drain_run.Options, result: drain_run.Result) -> list[str]:
    """What came of it and what to do about the rest."""
    left = result.left()
    moved = sum(move.phase == Phase.SUCCEEDED for move in result.moves.values())
    done = f"{moved} moved, {len(result.evicted)} evicted, {len(left)} left on {options.node}"
    if not options.wait:
        return [f"{len(result.moves)} moves asked for; again to go on: podferry drain"
                f" {options.node}"]  # fmt: skip
    lines = [f"{done}; it stays cordoned until: podferry uncordon {options.node}"]
    if result.timed_out:
        lines.append("the time is over; moves that began go on. Run it again to go on")
    lines += [f"  {_left(item, result)}" for item in left]
    if any(item.evictable for item in left) and not options.evict_others:
        lines.append("--evict-others evicts those that can never be moved; their memory is lost")
    if any(item.fate is Fate.STAYS and not item.owned for item in left):
        lines.append("pods without an owner are never evicted: nobody would start them again")
    return lines


def _left(item: Item, result: drain_run.Result) -> str:
    move = result.moves.get(item.uid)
    if item.fate is Fate.MOVE and move is not None and move.ended:
        return f"{'failed':<9}{item.namespace}/{item.pod}  {move.phase}: {move.why}"
    return _line(item)


def plan_json(node: str, found: Plan) -> Object:
    """The plan for a program."""
    return {
        "node": node,
        "pods": [_item_json(item) for item in found.items],
        "ignored": {
            "daemonSets": found.daemon_sets, "static": found.static, "ended": found.ended,
        },
    }  # fmt: skip


def _item_json(item: Item) -> Object:
    return {
        "namespace": item.namespace,
        "pod": item.pod,
        "fate": item.fate.value,
        "reason": item.reason,
        "message": item.message,
        "targets": list(item.targets),
        "migration": item.migration,
        "canBeEvicted": item.evictable,
    }


def result_json(node: str, result: drain_run.Result) -> Object:
    """What came of it for a program; `pods` are those that are left."""
    return {
        **plan_json(node, result.plan),
        "drained": not result.left(),
        "timedOut": result.timed_out,
        "moves": [
            {
                "namespace": move.namespace,
                "pod": move.pod,
                "migration": move.migration,
                "phase": move.phase,
                "why": move.why,
            }
            for move in result.moves.values()
        ],
        "evicted": [f"{item.namespace}/{item.pod}" for item in result.evicted.values()],
    }
