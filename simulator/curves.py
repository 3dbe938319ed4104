"""How much memory a pod and a node use at a tick, and how much they can use until a later one.

Owns interpolation and sums. It changes nothing but a pod's place in its own curve, and `used`,
`bound` of nodes. A move holds memory twice: its pod where it runs, its copy on the other node.
"""

from __future__ import annotations

from math import floor

from podferry.simulator.jit import compiled
from podferry.simulator.world import (
    COPYING,
    FROZEN,
    STOPPED,
    TRAILING,
    VIRTUAL_MACHINE,
    World,
)


@compiled
def between(w: World, at: int, progress: float) -> float:
    """Return the curve's value in the piece that begins with sample `at` [whole bytes]."""
    start = w.times[at]
    share = (progress - start) / (w.times[at + 1] - start)
    return floor(w.values[at] + (w.values[at + 1] - w.values[at]) * share + 0.5)


@compiled
def memory(w: World, i: int, tick: int) -> float:
    """Return what pod `i` holds [bytes]; it must be running or frozen."""
    pod = w.pods[i]
    progress = pod.held if pod.state == FROZEN else tick - pod.origin
    at = pod.at
    while at < pod.last and w.times[at + 1] <= progress:
        at += 1
    pod.at = at
    if at == pod.last or w.rules[0].linear == 0:
        return w.values[at]
    return between(w, at, progress)


@compiled
def ceiling(w: World, i: int, tick: int, span: int) -> float:
    """Return the most that pod `i` can hold from `tick` to `tick + span`, undisturbed [bytes]."""
    most = memory(w, i, tick)
    pod = w.pods[i]
    if pod.state == FROZEN:
        return most
    at = pod.at
    end = tick - pod.origin + span
    while at < pod.last and w.times[at + 1] <= end:
        at += 1
        most = max(most, w.values[at])
    if at < pod.last and w.rules[0].linear == 1:
        most = max(most, between(w, at, end))
    return most


@compiled
def measure(w: World, tick: int) -> None:
    """Set `used` of every node."""
    for n in range(len(w.nodes)):
        w.nodes[n].used = w.rules[0].reserved
    for k in range(w.tally[0].live):
        i = w.live[k]
        w.nodes[w.pods[i].home].used += memory(w, i, tick)
    for k in range(w.tally[0].flights):
        move = w.moves[w.flights[k]]
        if move.state in (COPYING, STOPPED):
            w.nodes[move.target].used += copy_of(w, w.flights[k], tick)
        elif move.state == TRAILING:
            w.nodes[move.source].used += move.bytes


@compiled
def copy_of(w: World, m: int, tick: int) -> float:
    """Return what the target holds of move `m` before the commit [bytes].

    All of it from the first moment: pages that have arrived are not told from room that is kept.
    """
    if w.rules[0].strategy == VIRTUAL_MACHINE:
        return memory(w, w.moves[m].pod, tick)
    return float(w.moves[m].bytes)


@compiled
def foresee(w: World, tick: int, span: int) -> None:
    """Set `bound` of every node: no less than `used` at any tick up to `tick + span`."""
    for n in range(len(w.nodes)):
        w.nodes[n].bound = w.rules[0].reserved
    for k in range(w.tally[0].live):
        i = w.live[k]
        w.nodes[w.pods[i].home].bound += ceiling(w, i, tick, span)
    for k in range(w.tally[0].flights):
        move = w.moves[w.flights[k]]
        if move.state in (COPYING, STOPPED):
            most = move.bytes
            if w.rules[0].strategy == VIRTUAL_MACHINE:
                most = ceiling(w, move.pod, tick, span)
            w.nodes[move.target].bound += most
        elif move.state == TRAILING:
            w.nodes[move.source].bound += move.bytes
