"""The arithmetic of detectors on the sampled rings: whether a node might be overloaded.

Owns one test for each kind of `prefilter.py`. A test may say yes where the rule says no; never the
other way: what cannot be computed alike (which pod's move is the longest) is bounded.
"""

from __future__ import annotations

from math import sqrt

from podferry.simulator.jit import compiled
from podferry.simulator.prefilter import (
    ALWAYS,
    EXHAUSTION,
    LEVEL,
    LINE,
    NEVER,
    PODS,
    SIGMAS,
    SLACK,
    SPREAD,
)
from podferry.simulator.world import ENDED, SUCCEEDED, Floats, World

GIB = 2.0**30


@compiled
def bookings(w: World) -> None:
    """Set by node what moves will bring and take that its last sample does not show."""
    nodes, moves = w.nodes, w.moves
    tally = w.tally[0]
    for n in range(len(nodes)):
        nodes[n].incoming = 0.0
        nodes[n].outgoing = 0.0
    sampled = tally.sample * w.rules[0].sampling
    if tally.flights == 0 and tally.last_end <= sampled:
        return
    for m in range(tally.moves):
        move = moves[m]
        if move.state > SUCCEEDED or (move.state == SUCCEEDED and move.ended <= sampled):
            continue
        nodes[move.source].outgoing += move.booked
        if move.copying > sampled:
            nodes[move.target].incoming += move.booked


@compiled
def newest(w: World, n: int, values: Floats) -> int:
    """Fill `values` with the node's newest samples plus bookings, oldest first; return how many."""
    count = min(min(len(values), w.node_ring.shape[1]), w.tally[0].sample + 1)
    booked = w.nodes[n].incoming - w.nodes[n].outgoing
    for k in range(count):
        place = (w.tally[0].sample - count + 1 + k) % w.node_ring.shape[1]
        values[k] = w.node_ring[n, place] + booked
    return int(count)


@compiled
def suspicious(w: World, n: int) -> bool:
    """Return whether the detector might find node `n` overloaded."""
    rules = w.rules[0]
    kind = rules.detector
    if kind == ALWAYS:
        return True
    if kind == NEVER:
        return False
    node = w.nodes[n]
    slack = SLACK * rules.capacity
    expected = node.sampled + node.incoming - node.outgoing
    if kind == LEVEL and rules.samples == 1:
        return bool(expected >= rules.level - slack)
    if kind == PODS:
        return bool(_by_pods(w, n, expected) >= rules.level - slack)
    if kind == EXHAUSTION:
        return _exhausted(w, n, rules.level - slack - expected)
    values = w.scratch
    count = newest(w, n, values[: rules.samples])
    if count < rules.needed:
        return bool(expected >= rules.level - slack)
    limit = rules.capacity - rules.eviction
    return bool(_foreseen(w, n, values, count, limit) >= limit - slack)


@compiled
def _foreseen(w: World, n: int, values: Floats, count: int, limit: float) -> float:
    """Return what the rule compares with the limit, or more."""
    rules = w.rules[0]
    most = values[:count].max()
    if rules.detector == LEVEL:
        return float(most + limit - rules.level)
    if rules.detector == SPREAD:
        return float(values[count - 1] + rules.a * (most - values[:count].min()))
    if rules.detector == SIGMAS:
        mean = values[:count].mean()
        total = 0.0
        for k in range(count):
            total += (values[k] - mean) ** 2
        return float(mean + rules.a * sqrt(total / count))
    if rules.detector == LINE:
        if rules.b == 1.0 and not damp(w, values, count, limit):
            return float(limit)
        return float(rules.a * _line(w, n, values, count))
    return float(_smooth(w, n, values, count))


@compiled
def _longest(w: World, n: int) -> float:
    """Return no less than the longest move of a pod of the node [s]."""
    pods, live, ring = w.pods, w.live, w.ring
    place = w.tally[0].sample % ring.shape[1]
    most = 0.0
    for k in range(w.tally[0].live):
        i = live[k]
        if pods[i].home == n and pods[i].since <= w.tally[0].sample:
            most = max(most, ring[i, place])
    return float(w.rules[0].cost_base + w.rules[0].cost_per_byte * most)


@compiled
def fit(values: Floats, count: int, weights: Floats) -> tuple[float, float]:
    """Return the weighted line through the values at 1, 2, ...: its height at 0, its slope."""
    total = mean_x = mean_y = 0.0
    for k in range(count):
        square = weights[k] * weights[k]
        total += square
        mean_x += square * (k + 1)
        mean_y += square * values[k]
    mean_x /= total
    mean_y /= total
    cross = spread = 0.0
    for k in range(count):
        off = weights[k] * (k + 1 - mean_x)
        cross += off * weights[k] * (values[k] - mean_y)
        spread += off * off
    slope = cross / spread if spread > 0 else 0.0
    return mean_y - slope * mean_x, slope


@compiled
def damp(w: World, values: Floats, count: int, limit: float) -> bool:
    """Set the bisquare weights of the robust fit; False: rounding could make them others."""
    usual, damped = w.weights[:count], w.damped
    height, slope = fit(values, count, usual)
    ordered = w.scratch[count : 2 * count]
    for k in range(count):
        residual = abs(values[k] - height - slope * (k + 1))
        place = k
        while place > 0 and ordered[place - 1] > residual:
            ordered[place] = ordered[place - 1]
            place -= 1
        ordered[place] = residual
    scale = 3.0 * (ordered[(count - 1) // 2] + ordered[count // 2])  # 6 medians
    if scale < 1e-7 * limit:
        return False
    kept = 0
    for k in range(count):
        residual = abs(values[k] - height - slope * (k + 1))
        damped[k] = 0.0
        if residual < scale:
            damped[k] = usual[k] * (1.0 - (residual / scale) ** 2) ** 2
            kept += 1
    damped[0] = damped[1] = damped[2]
    return kept > count // 2


@compiled
def _line(w: World, n: int, values: Floats, count: int) -> float:
    """Return the higher of what a tricube-weighted line foresees for no move and the longest."""
    weights = w.damped if w.rules[0].b == 1.0 else w.weights
    height, slope = fit(values, count, weights)
    now = height + slope * count
    ahead = _longest(w, n) / w.rules[0].sampling + 1.0
    return float(max(now, now + slope * ahead))


@compiled
def _smooth(w: World, n: int, values: Floats, count: int) -> float:
    """Return the higher of what double smoothing foresees for no move and the longest."""
    rules = w.rules[0]
    step = float(rules.sampling)
    level = values[0]
    trend = (values[1] - values[0]) / step
    for k in range(1, count):
        before = level
        level = rules.a * values[k] + (1.0 - rules.a) * (level + trend * step)
        trend = rules.b * (level - before) / step + (1.0 - rules.b) * trend
    ahead = _longest(w, n) + rules.margin
    return float(rules.c * max(level, level + trend * ahead))


@compiled
def _exhausted(w: World, n: int, room: float) -> bool:
    """Return whether the node may be full before the longest move is over."""
    rules = w.rules[0]
    sampled = w.tally[0].sample
    count = min(int(rules.a) // rules.sampling + 1, sampled + 1)
    count = min(max(count, 2), min(sampled + 1, w.node_ring.shape[1]))
    if count < 2:
        return bool(room <= 0)
    mean = 0.0
    for k in range(count):
        mean += w.node_ring[n, (sampled - k) % w.node_ring.shape[1]] / count
    cross = spread = 0.0
    for k in range(count):
        off = ((count - 1) / 2.0 - k) * rules.sampling
        cross += off * (w.node_ring[n, (sampled - k) % w.node_ring.shape[1]] - mean)
        spread += off * off
    growth = cross / spread
    if room <= 0:
        return True
    if growth <= 0:
        return False
    return bool(room < growth * (_longest(w, n) + rules.b) * (1.0 + SLACK))


@compiled
def _by_pods(w: World, n: int, expected: float) -> float:
    """Return what the node will hold if all its pods go on as in the window, or more."""
    rules = w.rules[0]
    pods, ring = w.pods, w.ring
    sampled = w.tally[0].sample
    size = ring.shape[1]
    back = min(max(int(rules.a) // rules.sampling, 1), size - 1)
    total = 0.0
    for i in range(len(pods)):
        if pods[i].home != n or pods[i].state == ENDED:
            continue
        first = min(sampled, max(pods[i].since, sampled - back))
        if first == sampled:
            total += rules.c * GIB
        else:
            grown = ring[i, sampled % size] - ring[i, first % size]
            total += grown * (60.0 / ((sampled - first) * rules.sampling))
    return float(expected + total * (rules.b / 60.0))
