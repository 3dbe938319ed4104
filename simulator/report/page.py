"""The report as one HTML page that needs nothing else: style and plots are inside it.

Owns what is shown and in which order. Every cell is shown, the losing ones marked; every text that
comes from a file is escaped. It computes no figure of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from podferry.simulator.report import svg
from podferry.simulator.report.text import interval, per_cent
from podferry.simulator.statistics import Interval
from podferry.simulator.sweep.needed import LIMIT, Needed, needed
from podferry.simulator.sweep.summary import Summary

STYLE = Path(__file__).with_name("style.css")
MOST_LINES = svg.SERIES
Figure = Callable[[Summary], Interval]


def _failing(line: Summary) -> Interval:
    share = line.failing
    return Interval(100 * share.value, 100 * share.bootstrap.low, 100 * share.upper)


def _used(line: Summary) -> Interval:
    used = line.mean_utilisation
    return Interval(100 * used.value, 100 * used.low, 100 * used.high)


FIGURES: tuple[tuple[str, str, Figure], ...] = (
    ("Failing runs", "%", _failing),
    ("Evictions a run", "", lambda line: line.evictions),
    ("OOM kills a run", "", lambda line: line.oom_kills),
    ("Migrations a run", "", lambda line: line.migrations),
    ("Freeze a run", "s", lambda line: line.freeze_seconds),
    ("Lost a run", "pod-min", lambda line: line.lost_pod_minutes),
    ("Queued a run", "pod-min", lambda line: line.queued_pod_minutes),
    ("Memory used, mean", "%", _used),
)


def page(lines: Sequence[Summary], sources: Sequence[str], title: str) -> str:
    """Return the page.

    Args:
        lines: one a cell, at least one.
        sources: attribution of the traces.
        title: heading.
    """
    groups = dict.fromkeys(line.cell.group for line in lines)
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{sum(line.runs for line in lines):,} runs in {len(lines)} cells. '
        f"Traces: {escape('; '.join(dict.fromkeys(sources)))}.</p>",
        _legend(),
        _nodes(needed(lines)),
        *(_group(name, [line for line in lines if line.cell.group == name]) for name in groups),
    ]
    style = STYLE.read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>\n{style}</style></head><body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body></html>\n"
    )


def _legend() -> str:
    return (
        f"<p>A run fails if kubelet evicts a pod or the kernel kills one. Intervals are 95 %: of "
        f"a share from the bootstrap's lower end to the larger of the bootstrap's and the exact "
        f"upper end, so that few runs without a failure are not taken for no risk; of means, "
        f"bootstrap. "
        f'<span class="good">Green</span>: the upper end is below {per_cent(LIMIT)}; '
        f'<span class="bad">red</span>: it is not.</p>'
    )


def _nodes(rows: list[Needed]) -> str:
    if not rows:
        return ""
    parts = [
        f"<h2>Nodes needed for less than {per_cent(LIMIT)} failing runs</h2>",
        '<div class="wide"><table><tr><th>Group<th>Setting<th>Nodes needed<th>Tried</tr>',
    ]
    for row in rows:
        enough = '<span class="bad">none of these</span>' if row.nodes is None else str(row.nodes)
        tried = ", ".join(map(str, row.tried))
        parts.append(
            f'<tr><td>{escape(row.group)}<td class="label">{escape(row.label)}'
            f'<td class="n">{enough}<td>{tried}</tr>'
        )
    parts.append("</table></div>")
    for group in dict.fromkeys(row.group for row in rows):
        parts.append(_chart(group, [row for row in rows if row.group == group]))
    return "".join(parts)


def _chart(group: str, rows: list[Needed]) -> str:
    shown = rows[:MOST_LINES]
    lines = [svg.Line(row.label, tuple(_point(line) for line in row.lines)) for row in shown]
    left = len(rows) - len(shown)
    rest = f'<p class="soft">{left} more settings are in the table only.</p>' if left else ""
    legend = "".join(f'<li class="s{at}">{escape(line.name)}</li>' for at, line in enumerate(lines))
    plot = svg.chart(lines, "nodes", "failing runs [%]", 100 * LIMIT)
    return f'<h3>{escape(group)}: failing runs [%]</h3>{plot}<ul class="legend">{legend}</ul>{rest}'


def _point(line: Summary) -> tuple[float, float, float, float]:
    figure = _failing(line)
    return float(line.cell.values["nodes"]), figure.value, figure.low, figure.high


def _group(name: str, lines: list[Summary]) -> str:
    tops = [svg.top_of([figure(line).high for line in lines]) for _, _, figure in FIGURES]
    heads = "".join(
        f"<th>{escape(title)}{svg.axis(top, unit)}"
        for (title, unit, _), top in zip(FIGURES, tops, strict=True)
    )
    rows = "".join(_row(line, tops) for line in lines)
    return (
        f'<h2>{escape(name)}</h2><div class="wide"><table><tr><th>Cell<th>Runs'
        f"<th>Failing<th>95 %<th>Any node over its memory{heads}</tr>{rows}</table></div>"
    )


def _row(line: Summary, tops: Sequence[float]) -> str:
    mark = "good" if line.failing.upper < LIMIT else "bad"
    cells = []
    for (_, _, figure), top in zip(FIGURES, tops, strict=True):
        told = figure(line)
        colour = mark if figure is _failing else "s0"
        cells.append(f"<td>{svg.interval(told.value, told.low, told.high, top, colour)}")
    return (
        f'<tr><td class="label">{escape(line.cell.label)}<td class="n">{line.runs}'
        f'<td class="n {mark}">{per_cent(line.failing.value)}'
        f'<td class="n">{interval(line.failing)}'
        f'<td class="n">{per_cent(line.over_capacity.value)}{"".join(cells)}</tr>'
    )
