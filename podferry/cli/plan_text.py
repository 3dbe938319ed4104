"""The lines of `podferry plan`: what is foreseen of each node, what would be done and why. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podferry.cli import insight_words as words
from podferry.cli.show import table

Object = dict[str, Any]
CANDIDATES = ("POD", "SCORE", "CHOSEN", "WORKING SET", "SLOPE", "FREEZE", "MOVE P95", "WHY")
TARGETS = ("NODE", "SCORE", "CHOSEN", "HEADROOM", "WHY")


def lines(insight: Object, node: str = "") -> list[str]:
    """The whole plan, or that of one node (which must be in the insight)."""
    found = [*_policies(insight), ""]
    decided = {one["name"] for policy in insight["policies"] for one in policy["nodes"]}
    shown = [
        each
        for each in insight["nodes"]
        if each["name"] == node
        or (not node and (each["name"] in decided or not each["known"] or _foreseen(each)))
    ]
    for each in sorted(shown, key=lambda one: (one["name"] not in decided, one["name"])):
        found += [*_node(each), *_decisions(each, insight), ""]
    fine = len(insight["nodes"]) - len(shown)
    if not node and fine:
        found.append(f"{fine} {'node' if fine == 1 else 'nodes'}: nothing foreseen, nothing to do")
    return found if found[-1] else found[:-1]


def _foreseen(node: Object) -> bool:
    return node.get("exhaustedInSeconds") is not None


def _policies(insight: Object) -> Iterator[str]:
    yield f"seen by {insight['leader']} at {insight['at']}"
    for policy in insight["policies"]:
        if policy["valid"]:
            yield f"policy {policy['name']} ({policy['mode']}), times from {policy['model']}"
        else:
            yield f"policy {policy['name']} ({policy['mode']}) does nothing: {policy['message']}"


def _node(node: Object) -> Iterator[str]:
    if "availableBytes" not in node:
        yield f"{node['name']}   unknown: {node['why']}; nothing disruptive is decided about it"
        return
    yield (
        f"{node['name']}   {words.size(node['availableBytes'])} available of "
        f"{words.size(node['capacityBytes'])}, kubelet evicts below "
        f"{words.size(node['evictionBytes'])} ({node['evictionSource']})"
    )
    if not node["known"]:
        yield f"  unknown     {node['why']}; nothing disruptive is decided about it"
    yield f"  forecast    {_forecast(node)}"
    if node["pressure"]:
        yield f"  stalled     {words.pressure(node)} of the last 10 s / 60 s for want of memory"
    if node["incomingBytes"] or node["outgoingBytes"]:
        coming, leaving = words.size(node["incomingBytes"]), words.size(node["outgoingBytes"])
        yield f"  booked      {coming} coming, {leaving} leaving by moves under way"


def _forecast(node: Object) -> str:
    slope, left = words.rate(node["slopeBytesPerSecond"]), node["exhaustedInSeconds"]
    pace = "used memory stands still" if slope == "0" else f"used memory {slope}"
    if left is None:
        return f"{pace}; not exhausted within a day at this pace"
    if left <= 0:
        return f"{pace}; exhausted: kubelet evicts now"
    within = words.interval(node)
    return f"{pace}; exhausted in {words.time(left)}" + (f" (90 %: {within})" if within else "")


def _decisions(node: Object, insight: Object) -> Iterator[str]:
    some = False
    pods = {pod["key"]: pod for pod in insight["pods"]}
    nodes = {node["name"]: node for node in insight["nodes"]}
    for policy in insight["policies"]:
        for one in policy["nodes"]:
            if one["name"] == node["name"]:
                some = True
                yield f"  decided     {one['action']} by policy {policy['name']}: {one['why']}"
                yield from _decision(one, policy["mode"], pods, nodes)
    if not some and node["known"] and insight["policies"]:
        yield "  decided     nothing: no policy sees it overloaded"


def _decision(
    one: Object, mode: str, pods: dict[str, Object], nodes: dict[str, Object]
) -> Iterator[str]:
    if one.get("tooLate"):
        yield f"  too late    {one['tooLate']}"
    yield f"  needs       {words.size(one['needBytes'])} less on it"
    if one["candidates"]:
        rows = [_candidate(each, pods.get(each["key"], {})) for each in one["candidates"]]
        yield from _indented([CANDIDATES, *rows])
    for placement in one["placements"]:
        yield from _placement(placement, nodes)
    for each in one["refused"]:
        yield f"  not now     {each['pod']} to {each['target']}: {each['why']}"
    for each in one["commands"]:
        why = "" if each["why"] in one["why"] else f": {each['why']}"
        yield f"  {_command(each, mode)}{why}"


def _candidate(each: Object, pod: Object) -> tuple[str, ...]:
    return (
        each["key"],
        _score(each),
        "yes" if each["chosen"] else "no",
        words.size(pod.get("workingSetBytes")),
        words.rate(pod.get("slopeBytesPerSecond")),
        words.time(pod.get("freezeP50Seconds") or None),
        words.time(pod.get("totalP95Seconds") or None),
        each["why"],
    )


def _placement(placement: Object, nodes: dict[str, Object]) -> Iterator[str]:
    target = placement["target"]
    short = f", {words.size(placement['shortfallBytes'])} short" if not target else ""
    yield f"  target      {placement['pod']} to {target or 'no node'}{short}: {placement['why']}"
    rows = [
        (
            each["key"],
            _score(each),
            "yes" if each["key"] == target else "no",
            words.size(words.headroom(nodes.get(each["key"], {}))),
            each["why"],
        )
        for each in placement["candidates"]
    ]
    if rows:
        yield from _indented([TARGETS, *rows])


def _command(each: Object, mode: str) -> str:
    move = f"{each['pod']} to {each['target']}"
    if each["migration"]:
        return f"moves       {move}, Migration {each['migration']}"
    would = "would move" if mode == "DryRun" else "will move "
    return f"{would}  {move}"


def _score(each: Object) -> str:
    return words.UNKNOWN if each["score"] is None else f"{each['score']:.4g}"


def _indented(rows: list[tuple[str, ...]]) -> Iterator[str]:
    for line in table(rows).splitlines():
        yield f"    {line}"
