"""A move from its command to its end: waits, prepares, copies, stops, commits, or fails.

Owns the states of a move, the streams of links, and which node holds how much of it when. A
container is frozen while it is copied (or shortly, with post-copy); a virtual machine runs on and
is stopped at the end; a cold restart begins from nothing on the target.
"""

from __future__ import annotations

from math import ceil, inf

from podferry.simulator.curves import memory
from podferry.simulator.jit import compiled
from podferry.simulator.lifecycle import book, freeze, lose, note, thaw
from podferry.simulator.scheduler import admits
from podferry.simulator.world import (
    CANCELLED,
    COLD_RESTART,
    CONTAINER,
    COPYING,
    FAILED,
    FAR,
    FREEZE,
    FROZEN,
    MOVE_BEGAN,
    MOVE_CANCELLED,
    MOVE_FAILED,
    MOVED,
    PENDING,
    PREPARING,
    RUNNING,
    STOPPED,
    SUCCEEDED,
    TRAILING,
    World,
)

GIB = 2.0**30


@compiled
def ticks(seconds: float) -> int:
    """Return whole ticks for a duration, at least one."""
    return max(1, ceil(seconds))


@compiled
def copy_seconds(w: World, size: float) -> float:
    """Return the median time to copy so much; of a virtual machine while it writes on [s].

    Infinite: it writes faster than the link carries.
    """
    rules = w.rules[0]
    carry = rules.per_gib * size / GIB
    if rules.strategy == CONTAINER or rules.dirty_rate <= 0.0:
        return float(rules.seconds + carry)
    share = rules.dirty_rate * rules.per_gib / GIB
    return rules.seconds + carry / (1.0 - share) if share < 1.0 else inf


@compiled
def advance_move(w: World, m: int, tick: int) -> None:
    """Do what is due of the move at this tick."""
    move = w.moves[m]
    while move.next <= tick:
        if move.state == PENDING:
            _begin(w, m, tick)
        elif move.state == PREPARING:
            _copy(w, m, tick)
        elif move.state == COPYING:
            _copied(w, m, tick)
        elif move.state == STOPPED:
            _commit_or_fail(w, m, tick)
        else:
            _finish(w, m, tick, SUCCEEDED)


@compiled
def _begin(w: World, m: int, tick: int) -> None:
    move = w.moves[m]
    pod = w.pods[move.pod]
    if pod.state != RUNNING or pod.home != move.source or pod.move not in (-1, m):
        note(w, tick, MOVE_CANCELLED, move.pod, move.source)
        _finish(w, m, tick, CANCELLED)
        return
    if w.nodes[move.source].streams < 1 or w.nodes[move.target].streams < 1:
        move.next = FAR  # woken when a move ends
        return
    w.nodes[move.source].streams -= 1
    w.nodes[move.target].streams -= 1
    pod.move = m
    move.state = PREPARING
    move.next = tick + w.rules[0].prepare
    if not admits(w, move.pod, move.target, tick):
        book(w, move.pod, move.target, 1)
        fail(w, m, tick)
        return
    book(w, move.pod, move.target, 1)
    note(w, tick, MOVE_BEGAN, move.pod, move.target)


@compiled
def _copy(w: World, m: int, tick: int) -> None:
    move = w.moves[m]
    rules = w.rules[0]
    move.bytes = memory(w, move.pod, tick)
    if rules.strategy == COLD_RESTART:
        if move.fails:
            fail(w, m, tick)
        else:
            _start_over(w, m, tick)
        return
    move.state = COPYING
    move.copying = tick
    w.tally[0].quiet = -1
    lasts = copy_seconds(w, move.bytes) * move.factor
    if rules.strategy == CONTAINER:
        if rules.post_copy:
            lasts = rules.seconds * move.factor
        freeze(w, move.pod, tick)
        w.tally[0].freeze += lasts
        note(w, tick, FREEZE, move.pod, move.source)
    elif lasts == inf:
        once = rules.seconds + rules.per_gib * move.bytes / GIB
        lasts = once * move.factor + rules.progress_timeout
        move.fails = 1
    move.next = tick + ticks(lasts)


@compiled
def _copied(w: World, m: int, tick: int) -> None:
    move = w.moves[m]
    rules = w.rules[0]
    if rules.strategy == CONTAINER:
        _commit_or_fail(w, m, tick)
        return
    if copy_seconds(w, move.bytes) == inf:
        fail(w, m, tick)
        return
    freeze(w, move.pod, tick)
    note(w, tick, FREEZE, move.pod, move.source)
    w.tally[0].freeze += rules.downtime
    move.state = STOPPED
    move.next = tick + ticks(rules.downtime)


@compiled
def _commit_or_fail(w: World, m: int, tick: int) -> None:
    move = w.moves[m]
    if move.fails:
        fail(w, m, tick)
        return
    w.pods[move.pod].home = move.target
    book(w, move.pod, move.source, -1)
    thaw(w, move.pod, tick)
    if w.rules[0].strategy == CONTAINER and w.rules[0].post_copy:
        move.state = TRAILING
        whole = ticks(copy_seconds(w, move.bytes) * move.factor)
        move.next = max(tick, move.copying + whole)
        if move.next > tick:
            return
    _finish(w, m, tick, SUCCEEDED)


@compiled
def _start_over(w: World, m: int, tick: int) -> None:
    move = w.moves[m]
    lose(w, move.pod, tick)
    w.pods[move.pod].home = move.target
    book(w, move.pod, move.source, -1)
    _finish(w, m, tick, SUCCEEDED)


@compiled
def fail(w: World, m: int, tick: int) -> None:
    """End the move where it began: its copy is gone, its pod runs on."""
    move = w.moves[m]
    note(w, tick, MOVE_FAILED, move.pod, move.target)
    w.tally[0].failed_migrations += 1
    book(w, move.pod, move.target, -1)
    if w.pods[move.pod].state == FROZEN:
        thaw(w, move.pod, tick)
    _finish(w, m, tick, FAILED)


@compiled
def abandon(w: World, i: int, tick: int) -> None:
    """The pod ends or dies: what was under way for it has no purpose any more."""
    m = w.pods[i].move
    if m < 0:
        return
    move = w.moves[m]
    note(w, tick, MOVE_CANCELLED, i, move.target)
    if move.state != TRAILING:
        book(w, i, move.target, -1)
    _finish(w, m, tick, CANCELLED)


@compiled
def _finish(w: World, m: int, tick: int, state: int) -> None:
    move = w.moves[m]
    if w.pods[move.pod].move == m:
        w.pods[move.pod].move = -1
        w.nodes[move.source].streams += 1
        w.nodes[move.target].streams += 1
    move.state = state
    move.ended = tick
    move.next = FAR
    w.tally[0].last_end = tick
    if state == SUCCEEDED:
        w.tally[0].migrations += 1
        w.pods[move.pod].moves += 1
        note(w, tick, MOVED, move.pod, move.target)
    kept = 0
    for k in range(w.tally[0].flights):
        other = w.flights[k]
        if other != m:
            w.flights[kept] = other
            kept += 1
            if w.moves[other].state == PENDING and w.moves[other].next == FAR:
                w.moves[other].next = tick + 1
    w.tally[0].flights = kept
