"""The progress of a long computation on standard error: a bar on a terminal, else one line.

Owns how it looks. Standard output stays free for the result.
"""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress:
    """Counts runs; a context manager."""

    def __init__(self, total: int, done: int = 0) -> None:
        """`done`: of `total`, finished before."""
        self._console = Console(stderr=True)
        self._bar = Bar(
            TextColumn("simulating"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("runs"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._total = total
        self._before = done
        self.done = done
        self._task = self._bar.add_task("", total=total, completed=done)

    def __enter__(self) -> Progress:
        if self._before:
            self.say(f"going on: {self._before:,} of {self._total:,} runs were done before")
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def advance(self, runs: int) -> None:
        """Count `runs` more."""
        self.done += runs
        self._bar.advance(self._task, runs)

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)
