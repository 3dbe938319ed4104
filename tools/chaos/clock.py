"""Virtual time: processes are generators that yield how many seconds they sleep.

Owns the order of events, ends and pauses of processes. Knows nothing of what they do.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

Work = Generator[float, None, Any]


@dataclass(eq=False)
class Proc:
    """One process. A dead one never runs again and cleans nothing up, like after SIGKILL."""

    name: str
    work: Work
    alive: bool = True
    paused_until: float = 0.0
    result: Any = None


class Sim:
    """The clock and its processes. `after_event` is called whenever anything may have changed."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.rng = random.Random(seed)  # noqa: S311 a seed that can be replayed is the point
        self.after_event: Callable[[], None] = lambda: None
        self._heap: list[tuple[float, int, Proc]] = []
        self._count = 0

    def spawn(self, name: str, work: Work, delay: float = 0.0) -> Proc:
        """Start a process after `delay` [s]."""
        proc = Proc(name, work)
        self._push(self.now + delay, proc)
        return proc

    def later(self, seconds: float, act: Callable[[], object]) -> Proc:
        """Call something once."""

        def work() -> Work:
            act()
            yield 0.0

        return self.spawn("later", work(), seconds)

    def kill(self, proc: Proc | None) -> None:
        """End a process where it stands."""
        if proc is not None and proc.alive:
            proc.alive = False
            if not proc.work.gi_running:
                proc.work.close()

    def pause(self, proc: Proc, seconds: float) -> None:
        """Stop a process for a while: a stalled machine, SIGSTOP."""
        proc.paused_until = self.now + seconds

    def run(self, until: Callable[[], bool], limit: float) -> bool:
        """Run until the condition holds after an event; False at the limit [s]."""
        while self._heap:
            at, _, proc = heapq.heappop(self._heap)
            if at > limit:
                self._push(at, proc)
                self.now = limit
                return until()
            self.now = max(self.now, at)
            if not proc.alive:
                continue
            if proc.paused_until > self.now:
                self._push(proc.paused_until, proc)
                continue
            self._step(proc)
            self.after_event()
            if until():
                return True
        return until()

    def _step(self, proc: Proc) -> None:
        try:
            seconds = next(proc.work)
        except StopIteration as end:
            proc.alive, proc.result = False, end.value
            return
        if proc.alive:
            self._push(self.now + max(0.0, seconds), proc)

    def _push(self, at: float, proc: Proc) -> None:
        self._count += 1
        heapq.heappush(self._heap, (at, self._count, proc))

    def wait(self, condition: Callable[[], object], seconds: float, poll: float = 0.02) -> Work:
        """Poll until the condition is true; its last value. Slower after a second."""
        end = self.now + seconds
        while True:
            value = condition()
            if value or self.now >= end:
                return value
            late = self.now > end - seconds + 1
            yield min(poll * (8 if late else 1), max(0.001, end - self.now))
