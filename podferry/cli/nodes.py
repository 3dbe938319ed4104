"""`podferry nodes`: what each node can do and what it lacks, as its agent said.

Reads Nodes and the facts that the controller publishes (`node_facts`); where there are none it says
why instead of guessing.
"""

from __future__ import annotations

import json
from typing import Any

import click

from podferry.api.clock import SystemClock
from podferry.cli import node_facts
from podferry.cli.node_facts import Told
from podferry.cli.session import cluster_options, talk
from podferry.cli.show import cluster_of, output_option, table
from podferry.kube import paths
from podferry.kube.client import ApiClient

Object = dict[str, Any]
COLUMNS = ("NODE", "STATE", "AGENT", "CRIU", "RUNC", "CGROUP", "POSTCOPY", "LACKS")


@click.command()
@output_option
@cluster_options
def nodes(*, output: str, **where: str | None) -> None:
    """Show what each node can do and what it lacks, and where its CPU differs."""

    async def job(client: ApiClient, _namespace: str) -> tuple[list[Object], Told]:
        found = await client.list(paths.nodes())
        return list(found["items"]), await node_facts.read(client)

    found, told = talk(cluster_of(where), job)
    warning = told.why or node_facts.is_old(told.facts.values(), SystemClock().now())
    if warning:
        click.echo(f"podferry: {warning}", err=True)
    if output == "json":
        rows = [
            {"node": name_of(node), "facts": told.of(name_of(node)), "lacks": lacks(node, told)}
            for node in found
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(table([COLUMNS, *(row(node, told) for node in found)]))
    matrix = cpu_matrix({name_of(node): told.of(name_of(node)) for node in found})
    if matrix:
        click.echo("\nCPU: can a process of the row's node run on the column's node?")
        click.echo(table(matrix))


def name_of(node: Object) -> str:
    """Name of a node."""
    return str(node["metadata"]["name"])


def state_of(node: Object) -> str:
    """Ready, NotReady, with `cordoned` beside it where so."""
    conditions = (node.get("status") or {}).get("conditions") or []
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    words = ["Ready" if ready else "NotReady"]
    if (node.get("spec") or {}).get("unschedulable"):
        words.append("cordoned")
    return ",".join(words)


def lacks(node: Object, told: Told) -> list[str]:
    """What keeps this node from taking part, each with what to do."""
    missing = []
    facts = told.of(name_of(node))
    if state_of(node) != "Ready":
        missing.append(f"it is {state_of(node)}: not a target")
    blocking = [
        taint["key"]
        for taint in (node.get("spec") or {}).get("taints") or []
        if taint.get("effect") in ("NoSchedule", "NoExecute")
    ]
    if blocking:
        missing.append(f"tainted {', '.join(blocking)}: a target only for pods that tolerate it")
    if facts is None:
        # A reason that all nodes share was told once, above the table.
        missing.append("no facts" if told.why else told.missing(name_of(node)))
        return missing
    missing += [str(problem) for problem in facts.get("problems") or []]
    if not facts.get("handlerInstalled", True):
        missing.append("containerd has no handler podferry: see the log of the agent's install")
    if not facts.get("userfaultfd", True):
        missing.append("userfaultfd: no PostCopy")
    if not facts.get("softDirty", True):
        missing.append("soft-dirty tracking: no PreCopy")
    return missing


def row(node: Object, told: Told) -> tuple[str, ...]:
    """One line of the table."""
    known = told.of(name_of(node)) or {}
    return (
        name_of(node),
        state_of(node),
        str(known.get("agentVersion", "-")),
        str(known.get("criuVersion", "-")),
        str(known.get("runcVersion", "-")),
        str(known.get("cgroup", "-")),
        "-" if "userfaultfd" not in known else "yes" if known["userfaultfd"] else "no",
        "; ".join(lacks(node, told)) or "nothing",
    )


def cpu_matrix(told: dict[str, Object | None]) -> list[tuple[str, ...]]:
    """Rows of the compatibility table: ✓, ✗N with N missing features, ? where not known."""
    features = {name: set(facts.get("cpuFeatures") or []) for name, facts in told.items() if facts}
    if len(told) < 2 or not any(features.values()):
        return []
    rows: list[tuple[str, ...]] = [("FROM \\ TO", *told)]
    for source in told:
        cells = []
        for target in told:
            if not features.get(source) or not features.get(target):
                cells.append("?")
                continue
            missing = features[source] - features[target]
            cells.append(f"✗{len(missing)}" if missing else "✓")
        rows.append((source, *cells))
    return rows
