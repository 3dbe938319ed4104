"""`podferry probe`: could this workload be moved, as far as the API server's view tells?

Reads, judges with the strategy's own preflight, prints; creates and changes nothing. What only an
agent can see is named as such, never guessed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import click

from podferry.api.clock import SystemClock
from podferry.api.errors import PreconditionError
from podferry.api.migration import CopyMode, Prediction, WorkloadRef
from podferry.api.reasons import Reason
from podferry.cli import exits, foresee, node_facts, values
from podferry.cli.resolve import pod_of
from podferry.cli.session import cluster_options, namespace_option, talk
from podferry.cli.show import cluster_of, output_option
from podferry.controller.core.view import ClaimView, NodeView
from podferry.controller.runtime import claims
from podferry.controller.runtime.node_view import node_view, requested_by_node
from podferry.kube import errors, paths
from podferry.kube.client import ApiClient
from podferry.strategies.container import preflight
from podferry.strategies.container.claim_checks import check_claims, check_reach
from podferry.strategies.container.finding import Finding

Object = dict[str, Any]
ONLY_THE_AGENT = (
    "io_uring, MPTCP, kinds of sockets, devices in use, resident memory: only the node's agent can "
    "see them; it is asked when a migration is requested, and again right before the freeze"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the API server's view says."""

    workload: str
    pod: str
    node: str
    blockers: tuple[Finding, ...]
    targets: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    """Nodes that cannot be the target, each with why."""
    unknown: tuple[str, ...] = ()
    """What the API server's view left open, each with why."""
    predictions: tuple[tuple[str, CopyMode, Prediction], ...] = ()
    """By size (what it is) and copy mode."""

    @property
    def movable(self) -> bool:
        """Nothing that is seen forbids it and there is a node to go to."""
        return not self.blockers and bool(self.targets)


@click.command()
@click.argument("workload", metavar="KIND/NAME")
@click.option("--to", metavar="NODE", help="Only this node as target.")
@output_option
@namespace_option
@cluster_options
@click.pass_context
def probe(
    ctx: click.Context, /, workload: str, to: str | None, output: str, **where: str | None
) -> None:
    """Say whether a workload could be moved, why not, and what to do; change nothing."""
    try:
        ref = values.workload(workload)
        if to is not None:
            values.object_name(to, what="--to: name of the node")
    except ValueError as error:
        raise click.UsageError(str(error), ctx) from None

    async def job(client: ApiClient, namespace: str) -> Verdict:
        return await judge(client, namespace, ref, to)

    verdict = talk(cluster_of(where), job)
    click.echo(json.dumps(as_json(verdict), indent=2) if output == "json" else as_text(verdict))
    ctx.exit(exits.DONE if verdict.movable else exits.ENDED_OTHERWISE)


async def judge(client: ApiClient, namespace: str, ref: WorkloadRef, target: str | None) -> Verdict:
    """Read the workload and the nodes and judge them. Raises ApiError."""
    label = values.label(ref)
    try:
        pod = await pod_of(client, namespace, ref)
    except PreconditionError as error:
        found = Finding(Reason(error.reason), error.message)
        return Verdict(label, "-", "-", (found,), (), ())
    requested = requested_by_node((await client.list(paths.pods(None)))["items"])
    told = await node_facts.read(client)
    seen = {}
    for raw in (await client.list(paths.nodes()))["items"]:
        name = str(raw["metadata"]["name"])
        seen[name] = node_view(raw, requested=requested, facts=told.of(name))
    mounted, unread = await _claims(client, namespace, pod)
    now = SystemClock().now()
    moves = await foresee.history(client, namespace)
    space, why = await _namespace(client, namespace)
    verdict = verdict_of(label, pod, seen, target, mounted)
    return replace(
        verdict,
        blockers=(*verdict.blockers, *preflight.check_namespace(space)),
        unknown=(*unknown(told, seen, now), *unread, *why),
        predictions=foresee.foresee(pod, moves, now),
    )


async def _namespace(client: ApiClient, name: str) -> tuple[Object | None, tuple[str, ...]]:
    """The raw namespace, or None and what that leaves open: tenants may not read it everywhere."""
    try:
        return await client.get(paths.namespaces(name)), ()
    except (errors.Forbidden, errors.NotFound) as error:
        return None, (f"whether namespace {name} is excluded from moves: {error.message}",)


async def _claims(
    client: ApiClient, namespace: str, pod: Object
) -> tuple[dict[str, ClaimView] | None, tuple[str, ...]]:
    """The pod's claims and volumes; None and why if the user may not read them."""
    try:
        return await claims.read(client, namespace, [pod]), ()
    except errors.Forbidden as error:
        return None, (f"persistent volumes: {error.message}",)


def unknown(told: node_facts.Told, seen: dict[str, NodeView], now: datetime) -> tuple[str, ...]:
    """What was left open because facts of nodes are missing or old. Pure."""
    if told.why:
        return (f"versions and processors of the nodes: {told.why}",)
    silent = [f"versions and processor of {name}: {told.missing(name)}"
              for name in seen if told.missing(name)]  # fmt: skip
    old = node_facts.is_old(told.facts.values(), now)
    return (*silent, *([old] if old else []))


def verdict_of(
    label: str,
    pod: Object,
    seen: dict[str, NodeView],
    target: str | None,
    found: Mapping[str, ClaimView] | None = None,
) -> Verdict:
    """Judge a pod, its claims and the nodes with the strategy's own checks. Pure."""
    name, home = str(pod["metadata"]["name"]), str((pod.get("spec") or {}).get("nodeName") or "-")
    blockers = preflight.check_pod(pod)
    if found is not None:
        blockers += check_claims(pod, found, others={}, same_name=False)
    source = seen.get(home)
    if target is not None and target not in seen:
        text = f"node {target} does not exist; known: {', '.join(sorted(seen))}"
        blockers.append(Finding(Reason.UNKNOWN_NODE, text))
    if source is None:
        return Verdict(label, name, home, tuple(blockers), (), ())
    blockers += _seen(preflight.check_source(source), source)
    targets, refused = [], []
    for node in seen.values():
        if target not in (None, node.name):
            continue
        findings = _seen(preflight.check_target(pod, source, node), node)
        findings += check_reach(pod, found or {}, node)
        if findings:
            refused.append((node.name, f"{findings[0].reason}: {findings[0].message}"))
        else:
            targets.append(node.name)
    return Verdict(label, name, home, tuple(blockers), tuple(targets), tuple(refused))


def _seen(findings: list[Finding], node: NodeView) -> list[Finding]:
    """Leave out that no agent answers: why there are no facts is told apart."""
    if node.facts is not None:
        return findings
    return [finding for finding in findings if finding.reason is not Reason.AGENT_MISSING]


def as_text(verdict: Verdict) -> str:
    """The verdict for a person."""
    word = "can be moved, as far as can be seen from here" if verdict.movable else "cannot be moved"
    lines = [f"{verdict.workload} (pod {verdict.pod} on {verdict.node}) {word}"]
    lines += [f"  ✗ {item.reason}: {item.message}" for item in verdict.blockers]
    lines += [f"  ✓ target {name}" for name in verdict.targets]
    lines += [f"  - not {name}: {why}" for name, why in verdict.refused]
    if not verdict.targets and not verdict.blockers:
        lines.append(f"  ✗ {Reason.NO_ELIGIBLE_TARGET}: no node can take it")
    lines += [f"  ~ {foresee.as_text(*one)}" for one in verdict.predictions]
    lines += [f"  ? not checked: {text}" for text in (*verdict.unknown, ONLY_THE_AGENT)]
    return "\n".join(lines)


def as_json(verdict: Verdict) -> Object:
    """The verdict for a program."""
    return {
        "workload": verdict.workload,
        "pod": verdict.pod,
        "node": verdict.node,
        "movable": verdict.movable,
        "blockers": [{"reason": b.reason, "message": b.message} for b in verdict.blockers],
        "targets": list(verdict.targets),
        "refused": [{"node": name, "why": why} for name, why in verdict.refused],
        "predictions": [foresee.as_json(*one) for one in verdict.predictions],
        "notChecked": [*verdict.unknown, ONLY_THE_AGENT],
    }
