"""Goes from one tick at which something happens to the next, until the policy has to look.

Owns the order within a tick: moves; pods that end, cross their limit or start anew; arrivals; the
scheduler; the OOM killer; kubelet; sampling; then the policy. While no node can cross a threshold,
memory is looked at only where it is sampled.
"""

from __future__ import annotations

from math import floor

from podferry.simulator.curves import add_copies, foresee, level, measure
from podferry.simulator.jit import compiled
from podferry.simulator.kernels import bookings, suspicious
from podferry.simulator.kubelet import INTERVAL, evaluate, out_of_memory, over_limit
from podferry.simulator.lifecycle import begin, end, join, note
from podferry.simulator.moving import abandon, advance_move
from podferry.simulator.scheduler import PRESSURE, serve
from podferry.simulator.world import (
    ABSENT,
    ARRIVED,
    DONE,
    DOWN,
    FAR,
    RECREATED,
    RESTARTED,
    RUNNING,
    Floats,
    World,
)

GO_ON, FINISHED, DECIDE, CORDON, DRAIN = range(5)
"""Why the clock stopped: all is done; the policy looks; only its cordoner; events are full."""

LOOK_AHEAD = (64, 8)
"""Spans that are tried for a stretch without a threshold in reach [s]."""


@compiled
def advance(w: World) -> int:
    """Run until the caller has something to do; return what."""
    tally = w.tally[0]
    rules = w.rules[0]
    while True:
        if tally.finished == len(w.pods) or tally.clock >= rules.horizon:
            return FINISHED
        if rules.want_events and len(w.events) - tally.events < 8 * len(w.pods) + 64:
            return DRAIN
        tick = min(following(w, tally.clock), rules.horizon)
        tally.clock = tick
        happen(w, tick)
        if tick % rules.sampling == 0:
            sample(w, tick)
        if rules.period > 0 and tick % rules.period == 0:
            why = look(w, tick)
            if why != GO_ON:
                return why


@compiled
def following(w: World, tick: int) -> int:
    """Return the next tick after this one at which anything can happen."""
    tally = w.tally[0]
    if (tally.dirty and tally.queued) or tally.quiet <= tick:
        return tick + 1
    soon = min(tally.due, tally.quiet + 1)
    soon = min(soon, (tick // w.rules[0].sampling + 1) * w.rules[0].sampling)
    if w.rules[0].period > 0:
        soon = min(soon, (tick // w.rules[0].period + 1) * w.rules[0].period)
    for k in range(tally.flights):
        soon = min(soon, w.moves[w.flights[k]].next)
    if tally.queued:
        for n in range(len(w.nodes)):
            relieved = w.nodes[n].pressed + PRESSURE
            if relieved > tick:
                soon = min(soon, relieved)
    return int(max(soon, tick + 1))


@compiled
def happen(w: World, tick: int) -> None:
    """Do all of one tick but sampling and the policy."""
    tally = w.tally[0]
    k = 0
    while k < tally.flights:
        m = w.flights[k]
        before = tally.flights
        if w.moves[m].next <= tick:
            advance_move(w, m, tick)
            tally.due = tick  # it may have started its pod anew, or let it go on
        if tally.flights == before:
            k += 1
    if tally.due <= tick:
        pods = w.pods
        for i in range(len(pods)):
            if pods[i].due <= tick:
                _own(w, i, tick)
    if tally.queued:
        serve(w, tick)
    if tally.quiet < tick:
        watch(w, tick)
    tally.due = next_due(w)


@compiled
def _own(w: World, i: int, tick: int) -> None:
    """What is due of a pod by itself."""
    pod = w.pods[i]
    if pod.state == ABSENT:
        note(w, tick, ARRIVED, i, -1)
        join(w, i, tick)
    elif pod.state == RUNNING:
        if tick - pod.origin >= pod.length:
            note(w, tick, DONE, i, pod.home)
            abandon(w, i, tick)
            end(w, i)
        else:
            over_limit(w, i, tick)
    elif pod.state == DOWN and pod.home >= 0:
        note(w, tick, RESTARTED, i, pod.home)
        begin(w, i, tick)
    elif pod.state == DOWN:
        note(w, tick, RECREATED, i, -1)
        join(w, i, tick)


@compiled
def next_due(w: World) -> int:
    """Return the first tick at which something of a pod's own is due."""
    pods = w.pods
    soon = FAR
    for i in range(len(pods)):
        soon = min(soon, pods[i].due)
    return soon


@compiled
def watch(w: World, tick: int) -> None:
    """Let kernel and kubelet act, then find out how long no node can cross a threshold."""
    rules = w.rules[0]
    measure(w, tick)
    for n in range(len(w.nodes)):
        if w.nodes[n].used > rules.capacity:
            w.tally[0].over_capacity = 1
            if rules.kills:
                out_of_memory(w, n, tick)
    for n in range(len(w.nodes)):
        while w.nodes[n].evaluates < tick:
            w.nodes[n].evaluates += INTERVAL
        if w.nodes[n].evaluates == tick and rules.kills:
            evaluate(w, n, tick)
    w.tally[0].quiet = tick
    for span in LOOK_AHEAD:
        if calm(w, tick, span):
            w.tally[0].quiet = tick + span
            return


@compiled
def calm(w: World, tick: int, span: int) -> bool:
    """Return whether no node can need kernel or kubelet up to `tick + span`."""
    rules = w.rules[0]
    foresee(w, tick, span)
    for n in range(len(w.nodes)):
        if w.nodes[n].bound > rules.capacity - max(rules.eviction, 0.0):
            return False
    return True


@compiled
def sample(w: World, tick: int) -> None:
    """Sample all pods and nodes as the agents do; what is counted is what was there."""
    tally = w.tally[0]
    pods, nodes, times, values, ring = w.pods, w.nodes, w.times, w.values, w.ring
    live, noise = w.live, w.noise
    linear, share = w.rules[0].linear, w.rules[0].noise
    index = tick // w.rules[0].sampling
    place = index % ring.shape[1]
    tally.sample = index
    for n in range(len(nodes)):
        nodes[n].used = w.rules[0].reserved
    for k in range(tally.live):
        i = live[k]
        pod = pods[i]
        if pod.since == FAR:
            pod.since = index
        held = level(pod, times, values, linear, tick)
        nodes[pod.home].used += held
        ring[i, place] = noisy(noise, share, held, i, index)
    add_copies(w, tick)
    tally.pod_samples += tally.live
    for n in range(len(nodes)):
        used = nodes[n].used
        tally.used_sum += used
        tally.peak = max(tally.peak, used)
        nodes[n].sampled = noisy(noise, share, used, len(pods) + n, index)
        w.node_ring[n, place] = nodes[n].sampled
    tally.samples += 1


@compiled
def noisy(noise: Floats, share: float, value: float, who: int, index: int) -> float:
    """Return what is read of a value, by pod (or node) and sample."""
    if share == 0.0:
        return value
    z = noise[(who * 7919 + index * 104729) % len(noise)]
    return float(max(0.0, floor(value * (1.0 + share * z) + 0.5)))


@compiled
def look(w: World, tick: int) -> int:
    """Return whether the policy has to look at this tick, GO_ON if nothing could come of it."""
    tally = w.tally[0]
    rules = w.rules[0]
    shut = rules.back_off >= 0 and (
        tally.flights > 0 or (tally.moves > 0 and tick < tally.last_end + rules.back_off)
    )
    bookings(w)
    cordon = False
    for n in range(len(w.nodes)):
        node = w.nodes[n]
        if not shut and suspicious(w, n):
            return DECIDE
        if node.cordoned and node.sampled <= rules.uncordon_below:
            cordon = True
        if not node.cordoned and node.sampled >= rules.cordon_above:
            cordon = True
    return CORDON if cordon else GO_ON
