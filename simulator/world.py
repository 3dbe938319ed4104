"""The state of one simulated cluster as arrays of records: pods, nodes, moves, counters.

Owns the layout that the compiled loops share, and nothing that happens. Memory is whole bytes in
float64, so sums are exact in any order; time is whole seconds (ticks) from the trace's start.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Records: TypeAlias = Any  # numpy.recarray: fields are attributes, which no stub can know

FAR = 2**62
"""A tick that never comes."""

# A pod is in one of these states.
ABSENT, QUEUED, RUNNING, FROZEN, DOWN, ENDED = range(6)
"""DOWN waits for its new start: in place where `home` is a node, else in the queue after it."""

# A move is in one of these states; from SUCCEEDED on it is over.
PENDING, PREPARING, COPYING, STOPPED, TRAILING, SUCCEEDED, FAILED, CANCELLED = range(8)

CONTAINER, VIRTUAL_MACHINE, COLD_RESTART = range(3)

EVENTS = (
    "arrived",
    "bound",
    "ended",
    "evicted",
    "oom-killed",
    "over-limit",
    "restarted",
    "recreated",
    "move-began",
    "frozen",
    "moved",
    "move-failed",
    "move-cancelled",
    "cordoned",
    "uncordoned",
    "no-room",
)
"""What the events of a Result can be, by number."""
(
    ARRIVED,
    BOUND,
    DONE,
    EVICTED,
    OOM_KILLED,
    OVER_LIMIT,
    RESTARTED,
    RECREATED,
    MOVE_BEGAN,
    FREEZE,
    MOVED,
    MOVE_FAILED,
    MOVE_CANCELLED,
    CORDONED,
    UNCORDONED,
    NO_ROOM,
) = range(len(EVENTS))

POD = np.dtype(
    [
        # of the trace
        ("arrival", "i8"),
        ("length", "i8"),  # undisturbed, in ticks
        ("limit_at", "i8"),  # progress at which it is over its limit
        ("first", "i8"),  # its samples in `times` and `values`, the last one included
        ("last", "i8"),
        ("request", "f8"),
        ("cpu", "i8"),  # millicores
        ("priority", "i8"),
        ("oom_adjust", "f8"),  # bytes that its oom_score_adj is worth on these nodes
        ("best_effort", "i8"),
        ("tie", "f8"),  # for equal scores of nodes
        # of the run
        ("state", "i8"),
        ("home", "i8"),
        ("origin", "i8"),  # tick at which progress was 0, freezes taken out
        ("held", "i8"),  # progress while it is frozen
        ("at", "i8"),  # its sample at or before now
        ("due", "i8"),  # next tick at which something of its own happens
        ("since", "i8"),  # its first sample; FAR before
        ("joined", "i8"),  # tick at which it joined the queue
        ("tries", "i8"),
        ("move", "i8"),
        ("moves", "i8"),
        ("slot", "i8"),  # its place in `live`
    ]
)

NODE = np.dtype(
    [
        ("request_room", "f8"),
        ("cpu_room", "i8"),
        ("slots", "i8"),
        ("scored_memory", "i8"),
        ("scored_cpu", "i8"),
        ("cordoned", "i8"),
        ("pressed", "i8"),  # when kubelet last saw its threshold crossed
        ("evaluates", "i8"),  # kubelet's next evaluation
        ("streams", "i8"),  # free ones of its link
        ("used", "f8"),
        ("bound", "f8"),
        ("sampled", "f8"),
        ("incoming", "f8"),
        ("outgoing", "f8"),
    ]
)

MOVE = np.dtype(
    [
        ("pod", "i8"),
        ("source", "i8"),
        ("target", "i8"),
        ("state", "i8"),
        ("next", "i8"),
        ("start", "i8"),
        ("factor", "f8"),  # of this move's duration to the median
        ("fails", "i8"),
        ("booked", "f8"),  # when it was decided
        ("bytes", "f8"),  # when the copy began
        ("copying", "i8"),  # tick at which the target began to hold it
        ("ended", "i8"),
    ]
)

RULES = np.dtype(
    [
        ("capacity", "f8"),
        ("reserved", "f8"),
        ("eviction", "f8"),
        ("allocatable", "i8"),
        ("cpu", "i8"),
        ("spread", "i8"),
        ("linear", "i8"),
        ("kills", "i8"),
        ("sampling", "i8"),
        ("noise", "f8"),
        ("restart_delay", "i8"),
        ("horizon", "i8"),
        ("strategy", "i8"),
        ("seconds", "f8"),
        ("per_gib", "f8"),
        ("prepare", "i8"),
        ("post_copy", "i8"),
        ("dirty_rate", "f8"),
        ("downtime", "f8"),
        ("progress_timeout", "f8"),
        # what lets a look of the policy be skipped
        ("period", "i8"),  # 0: no policy
        ("detector", "i8"),
        ("samples", "i8"),
        ("needed", "i8"),
        ("level", "f8"),
        ("a", "f8"),
        ("b", "f8"),
        ("c", "f8"),
        ("margin", "f8"),
        ("cost_base", "f8"),  # of the longest move [s]
        ("cost_per_byte", "f8"),
        ("back_off", "f8"),  # no move within so many seconds of the last end; -1: no such gate
        ("cordon_above", "f8"),
        ("uncordon_below", "f8"),
        ("want_events", "i8"),
    ]
)

TALLY = np.dtype(
    [
        ("clock", "i8"),
        ("quiet", "i8"),  # up to this tick no node can cross anything
        ("due", "i8"),
        ("dirty", "i8"),  # the queue is worth another look
        ("live", "i8"),
        ("queued", "i8"),
        ("flights", "i8"),
        ("moves", "i8"),
        ("events", "i8"),
        ("finished", "i8"),
        ("sample", "i8"),
        ("last_end", "i8"),  # of a move
        ("evictions", "i8"),
        ("oom_kills", "i8"),
        ("over_capacity", "i8"),
        ("migrations", "i8"),
        ("failed_migrations", "i8"),
        ("freeze", "f8"),
        ("lost", "i8"),
        ("waited", "i8"),
        ("used_sum", "f8"),
        ("samples", "i8"),
        ("pod_samples", "i8"),
        ("peak", "f8"),
    ]
)


class World(NamedTuple):
    """Everything a run reads and writes."""

    pods: Records
    nodes: Records
    moves: Records
    rules: Records
    """One record."""
    tally: Records
    """One record."""
    times: Floats
    values: Floats
    live: Ints
    """Pods that hold memory, in no order; the first `tally.live` count."""
    queue: Ints
    """Pods that wait for a node, by priority, then by time."""
    flights: Ints
    """Moves under way, in the order of their commands."""
    ring: Floats
    """[pod, sample modulo window]: what was sampled."""
    node_ring: Floats
    events: Ints
    """[(tick, what, pod, node)]: drained by the caller before it is full."""
    noise: Floats
    """Standard normal deviates; one is picked by pod or node and sample."""
    scratch: Floats
    """Room for the newest samples of a node, twice."""
    weights: Floats
    """Of a regression, the oldest sample first."""
    damped: Floats
    """The same for the second fit of a robust one."""


def zeros(dtype: np.dtype[np.void], count: int) -> Records:
    """Return `count` records, all fields 0, with fields as attributes."""
    return np.zeros(count, dtype).view(np.recarray)
