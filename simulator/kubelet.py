"""What full nodes do to pods: kubelet's eviction, the kernel's OOM killer, a container's limit.

Owns the order in which pods die. Evaluated every 10 s at a phase of the node's own; at most one pod
per evaluation, then a wait for its clean-up; soft eviction and grace periods are left out.
"""

from __future__ import annotations

from podferry.simulator.curves import copy_of, measure, memory
from podferry.simulator.jit import compiled
from podferry.simulator.lifecycle import book, lose, note
from podferry.simulator.moving import abandon, fail
from podferry.simulator.world import (
    COPYING,
    EVICTED,
    OOM_KILLED,
    OVER_LIMIT,
    STOPPED,
    World,
)

INTERVAL = 10
"""Between two evaluations of kubelet's eviction manager [s]."""
CLEAN_UP = 2
"""From an eviction to the next evaluation: 1 s of grace, then a poll every second [s]."""


@compiled
def evicted_before(
    usage: float, request: float, priority: int, usage_b: float, request_b: float, priority_b: int
) -> bool:
    """Return whether kubelet evicts the first pod before the second: `rankMemoryPressure`."""
    over = usage > request
    over_b = usage_b > request_b
    if over != over_b:
        return over
    if priority != priority_b:
        return priority < priority_b
    return usage - request > usage_b - request_b


@compiled
def _ranks(w: World, i: int, usage: float, best: int, most: float) -> bool:
    if best < 0:
        return True
    a, b = w.pods[i], w.pods[best]
    if evicted_before(usage, a.request, a.priority, most, b.request, b.priority):
        return True
    if evicted_before(most, b.request, b.priority, usage, a.request, a.priority):
        return False
    return i < best


@compiled
def first_to_evict(w: World, n: int, tick: int) -> tuple[int, int]:
    """Return the pod that kubelet of node `n` evicts, and its move where only its copy is there.

    (-1, -1): none. Equal pods: a running one before a copy, then the first of the trace.
    """
    best, most = -1, 0.0
    for k in range(w.tally[0].live):
        i = w.live[k]
        if w.pods[i].home == n:
            usage = memory(w, i, tick)
            if _ranks(w, i, usage, best, most):
                best, most = i, usage
    of_move = -1
    for k in range(w.tally[0].flights):
        m = w.flights[k]
        if w.moves[m].target == n and w.moves[m].state in (COPYING, STOPPED):
            i = w.moves[m].pod
            a, b = w.pods[i], w.pods[best]
            usage = copy_of(w, m, tick)
            if best < 0 or evicted_before(
                usage, a.request, a.priority, most, b.request, b.priority
            ):
                best, most, of_move = i, usage, m
    return best, of_move


@compiled
def first_to_kill(w: World, n: int, tick: int) -> tuple[int, int]:
    """Return the same for the kernel's OOM killer: the highest usage plus what its class adds."""
    best, most = -1, 0.0
    for k in range(w.tally[0].live):
        i = w.live[k]
        if w.pods[i].home == n:
            points = memory(w, i, tick) + w.pods[i].oom_adjust
            if best < 0 or points > most or (points == most and i < best):
                best, most = i, points
    of_move = -1
    for k in range(w.tally[0].flights):
        m = w.flights[k]
        if w.moves[m].target == n and w.moves[m].state in (COPYING, STOPPED):
            points = copy_of(w, m, tick) + w.pods[w.moves[m].pod].oom_adjust
            if best < 0 or points > most:
                best, most, of_move = w.moves[m].pod, points, m
    return best, of_move


@compiled
def evict(w: World, i: int, tick: int) -> None:
    """The pod fails; its owner makes a new one that starts from nothing."""
    n = w.pods[i].home
    note(w, tick, EVICTED, i, n)
    w.tally[0].evictions += 1
    abandon(w, i, tick)
    lose(w, i, tick)
    book(w, i, n, -1)
    w.pods[i].home = -1


@compiled
def kill(w: World, i: int, tick: int, what: int) -> None:
    """The container dies and starts anew in its pod."""
    note(w, tick, what, i, w.pods[i].home)
    w.tally[0].oom_kills += 1
    abandon(w, i, tick)
    lose(w, i, tick)


@compiled
def over_limit(w: World, i: int, tick: int) -> None:
    """The container crossed its own limit."""
    kill(w, i, tick, OVER_LIMIT)


@compiled
def out_of_memory(w: World, n: int, tick: int) -> None:
    """The kernel kills until the node fits into its memory; `used` is brought up to date."""
    while w.nodes[n].used > w.rules[0].capacity:
        i, m = first_to_kill(w, n, tick)
        if i < 0:
            return
        if m >= 0:
            fail(w, m, tick)
        else:
            kill(w, i, tick, OOM_KILLED)
        measure(w, tick)


@compiled
def evaluate(w: World, n: int, tick: int) -> None:
    """One round of kubelet's eviction manager; `used` is brought up to date."""
    node = w.nodes[n]
    node.evaluates = tick + INTERVAL
    if w.rules[0].capacity - node.used >= w.rules[0].eviction:
        return
    node.pressed = tick
    i, m = first_to_evict(w, n, tick)
    if i < 0:
        return
    if m >= 0:
        fail(w, m, tick)
    else:
        evict(w, i, tick)
    node.evaluates = tick + CLEAN_UP
    measure(w, tick)
