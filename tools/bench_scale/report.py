"""What the memory of a played node looks like, as its agent would report it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from podferry.wire.memory import PodMemory, Report
from tools.bench_scale.objects import GIB, NODE_MEMORY

EVICTION = 100 * (1 << 20)
"""kubelet's default."""
CALM_POD = 0.8 * GIB
CHANGE_EVERY_SECONDS = 60.0
"""So often a calm node has a change that is worth a report."""
GROWTH = 64 * (1 << 20)
"""Of the pod that grows [bytes/s]."""
LEFT = 4 * GIB
"""Available on a node when it comes under pressure [bytes]."""


@dataclass(slots=True)
class PlayedNode:
    """One node; times are monotonic seconds."""

    name: str
    number: int
    pods: list[str]
    """Uids."""
    began: float
    pressed: float | None = None
    """Since when its last pod grows; None: calm."""
    reported: dict[str, float] = field(default_factory=dict)
    """`first`: when the first urgent report of this pressure was sent."""

    def seq(self, now: float) -> int:
        """Number of the newest sample: one a second."""
        return int(now - self.began)

    def step(self, now: float) -> int:
        """Rises with every change that is worth a report."""
        return int((now - self.began + self._shift) / CHANGE_EVERY_SECONDS)

    def next_step(self, now: float) -> float:
        """When the next such change comes."""
        return (self.step(now) + 1) * CHANGE_EVERY_SECONDS + self.began - self._shift

    @property
    def _shift(self) -> float:
        """Nodes do not all change at once."""
        return self.number * 0.617 % CHANGE_EVERY_SECONDS

    def used(self, now: float) -> float:
        """Capacity less `memory.available` [bytes]."""
        calm = len(self.pods) * CALM_POD + self.step(now) % 2 * 0.015 * NODE_MEMORY
        if self.pressed is None or now < self.pressed:
            return calm
        grown = NODE_MEMORY - LEFT + GROWTH * (now - self.pressed)
        return min(grown, NODE_MEMORY - EVICTION)

    def report(self, now: float, since: int, history: float) -> Report:
        """The answer to a request, as `podferry.wire.memory` has it."""
        seq = self.seq(now)
        urgent = self.pressed is not None and now >= self.pressed
        age = now - self.began - seq
        samples = []
        if urgent:
            first = max(0, seq - int(history), since + 1 if since >= 0 else 0)
            samples = list(range(min(first, seq), seq))
        used = self.used(now - age)
        slope = GROWTH if urgent else 0.0
        pairs = [(age + seq - each, self.used(self.began + each)) for each in samples]
        return Report(
            node=self.name,
            boot_id=f"00000000-0000-4000-8000-{self.number:012d}",
            seq=seq,
            started=1e9,
            age=age,
            interval=1.0,
            capacity=NODE_MEMORY,
            available=NODE_MEMORY - used,
            eviction=EVICTION,
            eviction_source="/var/lib/kubelet/config.yaml",
            urgent=urgent,
            why="a played node under pressure" if urgent else "",
            slope=slope,
            samples=(*pairs, (age, used)),
            pods=tuple(self._pods(used, urgent, pairs, age)),
        )

    def _pods(
        self, used: float, urgent: bool, pairs: list[tuple[float, float]], age: float
    ) -> list[PodMemory]:
        rest = len(self.pods) - 1
        found = []
        for place, uid in enumerate(self.pods):
            grows = urgent and place == rest
            own = used - rest * CALM_POD if grows else CALM_POD
            samples = [(at, size - rest * CALM_POD if grows else CALM_POD) for at, size in pairs]
            found.append(
                PodMemory(
                    uid=uid,
                    working_set=own,
                    rss=own * 0.95,
                    slope=GROWTH if grows else 0.0,
                    age=86400.0,
                    samples=(*samples, (age, own)) if urgent else (),
                )
            )
        return found
