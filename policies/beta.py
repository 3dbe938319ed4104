"""The Beta distribution by mean and deviation: the probability of the tail. Numbers only."""

from __future__ import annotations

from math import exp, lgamma, log

_STEPS = 200
_SMALL = 1e-300


def tail(mean: float, deviation: float, threshold: float) -> float:
    """Return P(X > threshold) of a Beta on 0..1 with this mean and standard deviation.

    A deviation of 0, or one that no Beta has, gives the tail of the mean itself: 0 or 1.
    """
    variance = deviation * deviation
    room = mean * (1.0 - mean)
    if variance <= 1e-12 or variance >= room:
        return 1.0 if mean > threshold else 0.0
    if threshold <= 0 or threshold >= 1:
        return 1.0 if threshold <= 0 else 0.0
    scale = room / variance - 1.0
    return 1.0 - incomplete(mean * scale, (1.0 - mean) * scale, threshold)


def incomplete(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b) for 0 < x < 1."""
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1.0 - x))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(a, b, x) / a
    return 1.0 - front * _fraction(b, a, 1.0 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Evaluate the continued fraction by the modified method of Lentz."""
    c = 1.0
    d = 1.0 / _nonzero(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1.0 / _nonzero(1.0 + even * d)
        c = _nonzero(1.0 + even / c)
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1.0 / _nonzero(1.0 + odd * d)
        c = _nonzero(1.0 + odd / c)
        value *= d * c
        if abs(d * c - 1.0) < 1e-12:
            break
    return value


def _nonzero(value: float) -> float:
    return value if abs(value) > _SMALL else _SMALL
