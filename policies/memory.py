"""What every rule counts: memory used and free once the moves under way are over, and its pace.

Owns how bookings are counted, what utilisation 1 stands for, and how growth is read from samples.
It decides nothing.

Rules that were written for a utilisation u of 0..1 read u = expected use / limit. The limit is the
node's capacity less kubelet's hard threshold: u = 1 is where kubelet begins to evict.
"""

from __future__ import annotations

from podferry.policies.vocabulary import Node, Overload, Pod, Series

PACE_WINDOW = 120.0
"""Growth of a node is read from its last two minutes where a rule has no window of its own [s]."""


def expected(node: Node) -> float:
    """Return what will be used once every move to and from the node is over [bytes]."""
    return node.used + node.incoming - node.outgoing


def free_percent(node: Node) -> float:
    """Return what will be free then, of the capacity [%]; the seed's `available_percent`."""
    return (node.capacity - expected(node)) / node.capacity * 100.0


def buffer(node: Node) -> float:
    """Return what will be free then [bytes], by way of percent as the seed computes it."""
    return free_percent(node) / 100.0 * node.capacity


def limit(node: Node) -> float:
    """Return the use at which kubelet begins to evict [bytes]."""
    return node.capacity - node.eviction


def shares(node: Node, count: int) -> list[float]:
    """Return the newest `count` samples as utilisation, bookings of now added to each."""
    top = limit(node)
    booked = node.incoming - node.outgoing
    return [(value + booked) / top for value in node.history.values[-count:]]


def growth(series: Series, window: float) -> float | None:
    """Return the pace from the oldest sample of the last `window` seconds to the newest.

    Bytes a second. At least the last two samples are taken; None where there are none.
    """
    first = window_start(series, window)
    if first is None:
        return None
    elapsed = series.times[-1] - series.times[first]
    return (series.values[-1] - series.values[first]) / elapsed


def slope(series: Series, window: float) -> float | None:
    """Return `growth` in bytes a minute, exact where the two samples are a minute apart."""
    first = window_start(series, window)
    if first is None:
        return None
    elapsed = series.times[-1] - series.times[first]
    return (series.values[-1] - series.values[first]) * (60.0 / elapsed)


def window_start(series: Series, window: float) -> int | None:
    """Return where the last `window` seconds begin, but at least two samples; None: fewer exist."""
    times = series.times
    first = len(times) - 2
    if first < 0:
        return None
    oldest = times[-1] - window
    while first > 0 and times[first - 1] >= oldest:
        first -= 1
    return first


def exhausted_in(node: Node, pace: float | None) -> float | None:
    """Return until kubelet begins to evict at this pace [s]; None where use does not grow."""
    left = limit(node) - expected(node)
    if left <= 0:
        return 0.0
    if pace is None or pace <= 0:
        return None
    return left / pace


def overload(node: Node, need: float, why: str, pace: float | None = None) -> Overload:
    """Return an overload; where no pace is given it is read from the node's last two minutes."""
    if pace is None:
        pace = growth(node.history, PACE_WINDOW)
    return Overload(node.name, max(0.0, need), exhausted_in(node, pace), why)


def movable(node: Node) -> list[Pod]:
    """Return the pods that can be moved and free memory."""
    return [pod for pod in node.pods if not pod.blocked and pod.memory > 0]


def longest_move(node: Node) -> float:
    """Return how long the slowest of its possible moves takes [s]; 0 where none is known."""
    return max((pod.cost.total for pod in movable(node)), default=0.0)
