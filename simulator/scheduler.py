"""Which node a new pod gets: kube-scheduler's filters, and its least or most allocated score.

Owns the choice among equal nodes. Left out: preemption, balanced allocation, topology spread,
affinity, and the back-off of pods that did not fit.
"""

from __future__ import annotations

from podferry.simulator.jit import compiled
from podferry.simulator.lifecycle import UNSTATED_CPU, UNSTATED_MEMORY, begin, book, note
from podferry.simulator.world import BOUND, World

PRESSURE = 300
"""kubelet keeps MemoryPressure so long after it last saw its threshold crossed [s]."""


@compiled
def pressed(w: World, n: int, tick: int) -> bool:
    """Return whether the node has MemoryPressure, and so the taint."""
    return bool(tick < w.nodes[n].pressed + PRESSURE)


@compiled
def admits(w: World, i: int, n: int, tick: int) -> bool:
    """Return whether kubelet of node `n` would admit the pod: room, and no pressure for it."""
    pod = w.pods[i]
    node = w.nodes[n]
    if pod.request > node.request_room or pod.cpu > node.cpu_room or node.slots < 1:
        return False
    return pod.best_effort == 0 or not pressed(w, n, tick)


@compiled
def allocated(requested: int, allocatable: int, spread: int) -> int:
    """Return kube-scheduler's score of one resource [0..100, whole]."""
    if allocatable <= 0 or requested > allocatable:
        return 0
    if spread:
        return (allocatable - requested) * 100 // allocatable
    return requested * 100 // allocatable


@compiled
def score(w: World, i: int, n: int) -> int:
    """Return NodeResourcesFit's score of the node with the pod; CPU and memory weigh alike."""
    pod = w.pods[i]
    node = w.nodes[n]
    rules = w.rules[0]
    memory = int(pod.request)
    memory = node.scored_memory + (memory if memory > 0 else UNSTATED_MEMORY)
    cpu = node.scored_cpu + (pod.cpu if pod.cpu > 0 else UNSTATED_CPU)
    of_memory = allocated(memory, rules.allocatable, rules.spread)
    of_cpu = allocated(cpu, rules.cpu, rules.spread)
    return (of_memory + of_cpu) // 2


@compiled
def pick(w: World, i: int, tick: int) -> int:
    """Return the node for the pod, -1 if none takes it; among equals as the seed has it."""
    best = -1
    equal = 0
    for n in range(len(w.nodes)):
        if w.nodes[n].cordoned or not admits(w, i, n, tick):
            continue
        points = score(w, i, n)
        if points > best:
            best = points
            equal = 1
        elif points == best:
            equal += 1
    if best < 0:
        return -1
    pod = w.pods[i]
    lot = pod.tie + 0.6180339887498949 * pod.tries  # another lot for every new start of the pod
    left = int((lot - int(lot)) * equal)
    for n in range(len(w.nodes)):
        if w.nodes[n].cordoned or not admits(w, i, n, tick) or score(w, i, n) != best:
            continue
        if left == 0:
            return n
        left -= 1
    return -1


@compiled
def serve(w: World, tick: int) -> None:
    """Bind every queued pod that fits somewhere, the first in the queue first."""
    tally = w.tally[0]
    tally.dirty = 0
    kept = 0
    for k in range(tally.queued):
        i = w.queue[k]
        n = pick(w, i, tick)
        if n < 0:
            w.queue[kept] = i
            kept += 1
            continue
        pod = w.pods[i]
        pod.home = n
        pod.tries += 1
        tally.waited += tick - pod.joined
        book(w, i, n, 1)
        begin(w, i, tick)
        note(w, tick, BOUND, i, n)
    tally.queued = kept
