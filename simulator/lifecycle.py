"""What happens to a pod: it joins the queue, runs, freezes, thaws, dies, ends; what nodes give it.

Owns every change of a pod's state and the books of requests. It decides nothing: scheduler,
kubelet and moves call it.
"""

from __future__ import annotations

from podferry.simulator.jit import compiled
from podferry.simulator.world import (
    DOWN,
    ENDED,
    FAR,
    FROZEN,
    QUEUED,
    RUNNING,
    World,
)

UNSTATED_MEMORY = 200 * 2**20
"""What the scheduler scores for a pod without a memory request (kube-scheduler's own value)."""
UNSTATED_CPU = 100
"""The same for CPU [millicores]."""


@compiled
def note(w: World, tick: int, what: int, i: int, n: int) -> None:
    """Keep an event, where the caller wants them."""
    if w.rules[0].want_events == 0:
        return
    row = w.events[w.tally[0].events]
    row[0] = tick
    row[1] = what
    row[2] = i
    row[3] = n
    w.tally[0].events += 1


@compiled
def book(w: World, i: int, n: int, sign: int) -> None:
    """Take (1) or give back (-1) what the pod requests of the node."""
    pod = w.pods[i]
    node = w.nodes[n]
    node.request_room -= sign * pod.request
    node.cpu_room -= sign * pod.cpu
    node.slots -= sign
    scored = int(pod.request)
    node.scored_memory += sign * (scored if scored > 0 else UNSTATED_MEMORY)
    node.scored_cpu += sign * (pod.cpu if pod.cpu > 0 else UNSTATED_CPU)
    if sign < 0:
        w.tally[0].dirty = 1


@compiled
def join(w: World, i: int, tick: int) -> None:
    """Put the pod into the scheduler's queue: by priority, then by time."""
    pod = w.pods[i]
    pod.state = QUEUED
    pod.home = -1
    pod.due = FAR
    pod.joined = tick
    k = w.tally[0].queued
    while k > 0 and w.pods[w.queue[k - 1]].priority < pod.priority:
        w.queue[k] = w.queue[k - 1]
        k -= 1
    w.queue[k] = i
    w.tally[0].queued += 1
    w.tally[0].dirty = 1


@compiled
def begin(w: World, i: int, tick: int) -> None:
    """Start the pod's curve at its beginning, on its home."""
    pod = w.pods[i]
    pod.origin = tick
    pod.at = pod.first
    w.live[w.tally[0].live] = i
    pod.slot = w.tally[0].live
    w.tally[0].live += 1
    _run(w, i)
    w.tally[0].quiet = -1


@compiled
def _run(w: World, i: int) -> None:
    pod = w.pods[i]
    pod.state = RUNNING
    pod.due = pod.origin + min(pod.length, pod.limit_at)


@compiled
def freeze(w: World, i: int, tick: int) -> None:
    """Hold the pod where it is in its curve."""
    pod = w.pods[i]
    pod.held = tick - pod.origin
    pod.state = FROZEN
    pod.due = FAR


@compiled
def thaw(w: World, i: int, tick: int) -> None:
    """Let the pod go on where it was held."""
    pod = w.pods[i]
    pod.origin = tick - pod.held
    _run(w, i)
    w.tally[0].quiet = -1


@compiled
def stop(w: World, i: int) -> None:
    """Take the pod's memory away."""
    tally = w.tally[0]
    tally.live -= 1
    last = w.live[tally.live]
    w.live[w.pods[i].slot] = last
    w.pods[last].slot = w.pods[i].slot


@compiled
def end(w: World, i: int) -> None:
    """The pod is done."""
    stop(w, i)
    book(w, i, w.pods[i].home, -1)
    w.pods[i].state = ENDED
    w.pods[i].due = FAR
    w.tally[0].finished += 1


@compiled
def lose(w: World, i: int, tick: int) -> None:
    """The pod's process dies: its progress is lost, its home and requests stay."""
    pod = w.pods[i]
    w.tally[0].lost += pod.held if pod.state == FROZEN else tick - pod.origin
    stop(w, i)
    pod.since = FAR
    pod.state = DOWN
    pod.due = tick + w.rules[0].restart_delay
