"""How much memory a pod and a node use at a tick, and how much they can use until a later one.

Owns interpolation and sums. It changes nothing but a pod's place in its own curve, and `used`,
`bound` of nodes. A move holds memory twice: its pod where it runs, its copy on the other node.
Loops bind the arrays they need to names of their own: compiled, that is some 20 times as fast.
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
    Floats,
    Records,
    World,
)


@compiled
def between(times: Floats, values: Floats, at: int, progress: float) -> float:
    """Return the curve's value in the piece that begins with sample `at` [whole bytes]."""
    start = times[at]
    share = (progress - start) / (times[at + 1] - start)
    return float(floor(values[at] + (values[at + 1] - values[at]) * share + 0.5))


@compiled
def level(pod: Records, times: Floats, values: Floats, linear: int, tick: int) -> float:
    """Return what the pod holds [bytes]; it must be running or frozen."""
    progress = pod.held if pod.state == FROZEN else tick - pod.origin
    at = pod.at
    last = pod.last
    while at < last and times[at + 1] <= progress:
        at += 1
    pod.at = at
    if at == last or linear == 0:
        return float(values[at])
    return between(times, values, at, progress)


@compiled
def memory(w: World, i: int, tick: int) -> float:
    """Return what pod `i` holds [bytes]; it must be running or frozen."""
    return level(w.pods[i], w.times, w.values, w.rules[0].linear, tick)


@compiled
def ceiling(
    pod: Records, times: Floats, values: Floats, linear: int, tick: int, span: int
) -> float:
    """Return the most that the pod can hold from `tick` to `tick + span`, undisturbed [bytes]."""
    most = level(pod, times, values, linear, tick)
    if pod.state == FROZEN:
        return most
    at = pod.at
    last = pod.last
    end = tick - pod.origin + span
    while at < last and times[at + 1] <= end:
        at += 1
        most = max(most, values[at])
    if at < last and linear == 1:
        most = max(most, between(times, values, at, end))
    return most


@compiled
def measure(w: World, tick: int) -> None:
    """Set `used` of every node."""
    pods, nodes, times, values, live = w.pods, w.nodes, w.times, w.values, w.live
    linear = w.rules[0].linear
    for n in range(len(nodes)):
        nodes[n].used = w.rules[0].reserved
    for k in range(w.tally[0].live):
        pod = pods[live[k]]
        nodes[pod.home].used += level(pod, times, values, linear, tick)
    add_copies(w, tick)


@compiled
def add_copies(w: World, tick: int) -> None:
    """Add to `used` what moves hold beside their pods."""
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
    pods, nodes, times, values, live = w.pods, w.nodes, w.times, w.values, w.live
    linear = w.rules[0].linear
    for n in range(len(nodes)):
        nodes[n].bound = w.rules[0].reserved
    for k in range(w.tally[0].live):
        pod = pods[live[k]]
        nodes[pod.home].bound += ceiling(pod, times, values, linear, tick, span)
    for k in range(w.tally[0].flights):
        move = w.moves[w.flights[k]]
        if move.state in (COPYING, STOPPED):
            most = move.bytes
            if w.rules[0].strategy == VIRTUAL_MACHINE:
                most = ceiling(pods[move.pod], times, values, linear, tick, span)
            nodes[move.target].bound += most
        elif move.state == TRAILING:
            nodes[move.source].bound += move.bytes
