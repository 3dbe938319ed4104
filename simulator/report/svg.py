"""Small plots as SVG text: an interval on a scale, and lines with whiskers.

Owns coordinates and marks; colours come from the page's style by class. It refers to nothing
outside itself and escapes every text that it is given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, EDGE = 150, 22, 6
SERIES = 8
"""Different marks; more lines than that are not told apart."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name and (x, y, low, high) of each point."""

    name: str
    points: tuple[tuple[float, float, float, float], ...]


def top_of(values: Sequence[float]) -> float:
    """Return the end of a scale from 0 that holds all values: 1, 2 or 5 times a power of ten."""
    most = max(values, default=0.0)
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= most * (1 - 1e-9))


def axis(top: float, unit: str) -> str:
    """Return the head of a column of intervals."""
    name = f"{number(top)} {unit}".strip()
    return (
        f'<svg class="axis" viewBox="0 0 {WIDTH} 16" width="{WIDTH}" height="16" '
        f'role="img" aria-label="scale from 0 to {escape(name)}">'
        f'<text x="{EDGE}" y="12">0</text>'
        f'<text x="{WIDTH - EDGE}" y="12" text-anchor="end">{escape(name)}</text></svg>'
    )


def interval(value: float, low: float, high: float, top: float, mark: str = "") -> str:
    """Return a value with its interval on a scale from 0 to `top`; `mark` is a class."""

    def at(where: float) -> str:
        return f"{EDGE + (WIDTH - 2 * EDGE) * min(where / top, 1.0):.1f}"

    middle = HEIGHT / 2
    told = f"{number(value)}, 95 % interval {number(low)} to {number(high)}"
    return (
        f'<svg class="interval {escape(mark)}" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" aria-label="{told}"><title>{told}</title>'
        f'<line class="scale" x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{middle}" y2="{middle}"/>'
        f'<line class="range" x1="{at(low)}" x2="{at(high)}" y1="{middle}" y2="{middle}"/>'
        f'<circle cx="{at(value)}" cy="{middle}" r="4"/></svg>'
    )


def chart(lines: Sequence[Line], x_name: str, y_name: str, limit: float) -> str:
    """Return lines over whole numbers of x, y from 0, with a dashed line at `limit`."""
    width, height, left, bottom = 640, 300, 52, 40
    xs = sorted({x for line in lines for x, *_ in line.points})
    top = top_of([high for line in lines for *_, high in line.points])
    span = (xs[-1] - xs[0]) or 1.0

    def px(x: float) -> float:
        return left + 16 + (width - left - 32) * (x - xs[0]) / span

    def py(y: float) -> float:
        return height - bottom - (height - bottom - 12) * min(y / top, 1.0)

    parts = [
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(y_name)} over {escape(x_name)}">'
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = py(share * top)
        parts.append(f'<line class="scale" x1="{left}" x2="{width}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{number(share * top)}</text>'
        )
    for x in xs:
        parts.append(
            f'<text x="{px(x):.1f}" y="{height - bottom + 18}" text-anchor="middle">{x:g}</text>'
        )
    parts.append(
        f'<text x="{width / 2}" y="{height - 4}" text-anchor="middle">{escape(x_name)}</text>'
    )
    parts.append(
        f'<line class="limit" x1="{left}" x2="{width}" y1="{py(limit):.1f}" y2="{py(limit):.1f}"/>'
    )
    for at, line in enumerate(lines):
        path = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y, *_ in line.points)
        parts.append(f'<g class="s{at % SERIES}"><title>{escape(line.name)}</title>')
        parts.append(f'<polyline points="{path}"/>')
        for x, y, low, high in line.points:
            parts.append(
                f'<line x1="{px(x):.1f}" x2="{px(x):.1f}" y1="{py(low):.1f}" y2="{py(high):.1f}"/>'
            )
            parts.append(f'<circle cx="{px(x):.1f}" cy="{py(y):.1f}" r="3.5"/>')
        parts.append("</g>")
    return "".join([*parts, "</svg>"])


def number(value: float) -> str:
    """Three digits, no exponent, no zeros at the end."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(digits, 6)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
