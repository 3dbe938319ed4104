"""The same story on a terminal, redrawn in place. Owns colours and layout; knows no cluster."""

from __future__ import annotations

from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from podferry.api.reasons import TERMINAL, Phase
from podferry.cli import timeline
from podferry.cli.follow import phase_of

Object = dict[str, Any]
FROZEN = frozenset({Phase.FREEZING, Phase.REHEARSING, Phase.COMMITTED})
BAR = 40


class Story:
    """What was seen of one Migration so far; a renderable that `Live` draws again and again."""

    def __init__(self, migration: Object) -> None:
        self.migration = migration
        self._seen: list[tuple[str, float, str]] = []
        self._spinner = Spinner("dots")

    def see(self, migration: Object, since_seconds: float) -> None:
        """Take in a newer state, seen `since_seconds` after the request [s]."""
        self.migration = migration
        entry = (phase_of(migration), since_seconds, timeline.message(migration))
        if self._seen and self._seen[-1][0] == entry[0]:
            entry = (entry[0], self._seen[-1][1], entry[2])
            self._seen.pop()
        self._seen.append(entry)

    def __rich__(self) -> RenderableType:
        parts: list[RenderableType] = [
            Text.assemble(("podferry  ", "bold cyan"), (timeline.header(self.migration), "bold")),
            Text(timeline.how(self.migration), style="dim"),
            Padding(self._rows(), (1, 0, 0, 0)),
        ]
        if phase_of(self.migration) in TERMINAL:
            parts += _end(self.migration)
        return Group(*parts)

    def _rows(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for place, (phase, since, text) in enumerate(self._seen):
            last = place == len(self._seen) - 1
            mark: RenderableType = Text("✓", style="green")
            if last and phase not in TERMINAL:
                mark = self._spinner
            elif phase in TERMINAL and phase != Phase.SUCCEEDED:
                mark = Text("✗", style="red")
            name = Text(f"{phase} ❄" if phase in FROZEN else phase, style="bold" if last else "")
            table.add_row(mark, name, Text(f"+{since:.3f} s", style="dim"), Text(text))
        return table


def _end(migration: Object) -> list[RenderableType]:
    parts: list[RenderableType] = []
    steps = timeline.phases(migration)
    longest = max((seconds for _, seconds in steps), default=0.0)
    if longest > 0:
        table = Table.grid(padding=(0, 2))
        for name, seconds in steps:
            bar = "█" * max(1, round(BAR * seconds / longest))
            table.add_row(Text(name), Text(timeline.seconds(seconds)), Text(bar, style="blue"))
        parts.append(Padding(table, (1, 0, 0, 0)))
    good = phase_of(migration) == Phase.SUCCEEDED
    table = Table.grid(padding=(0, 3))
    for fact in timeline.facts(migration):
        strong = "bold cyan" if fact.name == "freeze" else ""
        table.add_row(Text(fact.name, style="dim"), Text(fact.value, style=strong), fact.note)
    body: RenderableType = table
    if not good:
        body = Group(Text(timeline.why(migration), style="red"), table)
    title, colour = phase_of(migration), "green" if good else "red"
    parts.append(Panel(body, title=title, title_align="left", border_style=colour, expand=False))
    return parts


def show(story: Story, console: Console) -> Live:
    """Return the running display; use it as a context manager."""
    return Live(story, console=console, refresh_per_second=10)
