"""What the memory of a played node looks like, as its agent would report it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from podferry.wire.memory import PodMemory, Report, Samples
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
GROWING_POD = 1.5 * GIB
"""What that pod has then; the others have the rest."""


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
    first_told: float | None = None
    """When the first urgent report of this pressure was sent."""

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

    def grown(self, now: float) -> float:
        """What a pressed node's pod has gained by then; before the pressure it has less."""
        assert self.pressed is not None
        return min(GROWTH * (now - self.pressed), LEFT - EVICTION)

    def used(self, now: float) -> float:
        """Capacity less `memory.available` [bytes]."""
        if self.pressed is None:
            # a little up and down, or a node that never changes is not believed
            return len(self.pods) * CALM_POD + self.step(now) % 2 * 0.015 * NODE_MEMORY
        return NODE_MEMORY - LEFT + self.grown(now)

    def report(self, now: float, since: int, history: float) -> Report:
        """The answer to a request, as `podferry.wire.memory` has it."""
        seq, urgent = self.seq(now), self.pressed is not None
        age = now - self.began - seq
        first = max(0, seq - int(history), since + 1) if urgent else seq
        moments = [
            (age + seq - each, self.began + each) for each in range(min(first, seq), seq + 1)
        ]
        used = self.used(now - age)
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
            slope=GROWTH if urgent else 0.0,
            samples=tuple((at, self.used(moment)) for at, moment in moments),
            pods=tuple(self._pods(now - age, moments)),
        )

    def _pods(self, now: float, moments: list[tuple[float, float]]) -> list[PodMemory]:
        if self.pressed is None:
            size = self.used(now) / len(self.pods)
            return [_pod(uid, size) for uid in self.pods]
        size = (NODE_MEMORY - LEFT - GROWING_POD) / max(1, len(self.pods) - 1)
        still = tuple((at, size) for at, _ in moments)
        grows = tuple((at, max(0.0, GROWING_POD + self.grown(when))) for at, when in moments)
        return [
            *(_pod(uid, size, still) for uid in self.pods[:-1]),
            _pod(self.pods[-1], GROWING_POD + self.grown(now), grows, GROWTH),
        ]


def _pod(uid: str, size: float, samples: Samples = (), slope: float = 0.0) -> PodMemory:
    return PodMemory(
        uid=uid, working_set=size, rss=size * 0.95, slope=slope, age=86400.0, samples=samples
    )
