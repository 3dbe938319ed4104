"""`podferry nodes`: what each node can do and what it lacks, as its agent said.

Reads Node objects only: the facts are those that the controller writes into the annotation
`podferry.dev/facts`; where there are none it says so instead of guessing.
"""

from __future__ import annotations

import json
from typing import Any

import click

from podferry.cli.session import cluster_options, talk
from podferry.cli.show import cluster_of, output_option, table
from podferry.kube import paths
from podferry.kube.client import ApiClient

Object = dict[str, Any]
FACTS = "podferry.dev/facts"
COLUMNS = ("NODE", "STATE", "AGENT", "CRIU", "RUNC", "CGROUP", "POSTCOPY", "LACKS")


@click.command()
@output_option
@cluster_options
def nodes(*, output: str, **where: str | None) -> None:
    """Show what each node can do and what it lacks, and where its CPU differs."""

    async def job(client: ApiClient, _namespace: str) -> Object:
        return await client.list(paths.nodes())

    found = talk(cluster_of(where), job)["items"]
    told = {node["metadata"]["name"]: facts_of(node) for node in found}
    if output == "json":
        rows = [
            {"node": node["metadata"]["name"], "facts": told[node["metadata"]["name"]],
             "lacks": lacks(node, told[node["metadata"]["name"]])}
            for node in found
        ]  # fmt: skip
        click.echo(json.dumps(rows, indent=2))
        return
    click.echo(table([COLUMNS, *(row(node, told[node["metadata"]["name"]]) for node in found)]))
    matrix = cpu_matrix(told)
    if matrix:
        click.echo("\nCPU: can a process of the row's node run on the column's node?")
        click.echo(table(matrix))


def facts_of(node: Object) -> Object | None:
    """The agent's facts; None where the node carries none that can be read."""
    text = (node["metadata"].get("annotations") or {}).get(FACTS)
    try:
        found = json.loads(text) if text else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def state_of(node: Object) -> str:
    """Ready, NotReady, with `cordoned` beside it where so."""
    conditions = (node.get("status") or {}).get("conditions") or []
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    words = ["Ready" if ready else "NotReady"]
    if (node.get("spec") or {}).get("unschedulable"):
        words.append("cordoned")
    return ",".join(words)


def lacks(node: Object, facts: Object | None) -> list[str]:
    """What keeps this node from taking part, each with what to do."""
    missing = []
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
        missing.append("no facts of an agent: kubectl -n podferry-system get pods -o wide")
        return missing
    missing += [str(problem) for problem in facts.get("problems") or []]
    if not facts.get("handlerInstalled", True):
        missing.append("containerd has no handler podferry: see the log of the agent's install")
    if not facts.get("userfaultfd", True):
        missing.append("userfaultfd: no PostCopy")
    if not facts.get("softDirty", True):
        missing.append("soft-dirty tracking: no PreCopy")
    return missing


def row(node: Object, facts: Object | None) -> tuple[str, ...]:
    """One line of the table."""
    known = facts or {}
    return (
        str(node["metadata"]["name"]),
        state_of(node),
        str(known.get("agentVersion", "-")),
        str(known.get("criuVersion", "-")),
        str(known.get("runcVersion", "-")),
        str(known.get("cgroup", "-")),
        "-" if "userfaultfd" not in known else "yes" if known["userfaultfd"] else "no",
        "; ".join(lacks(node, facts)) or "nothing",
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
