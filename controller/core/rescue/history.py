"""Samples of nodes and pods as they came, on the controller's own monotonic clock.

Owns how long they are kept and that times only rise. Nothing here outlives the process: after a
start the agents send again what they kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from podferry.policies.vocabulary import Series
from podferry.wire.memory import Samples

MOST_SAMPLES = 1000
"""Of one node or pod, whatever the policies ask for."""


class Track:
    """The samples of one quantity."""

    __slots__ = ("_series", "_times", "_values")

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=MOST_SAMPLES)
        self._values: deque[float] = deque(maxlen=MOST_SAMPLES)
        self._series: Series | None = Series()

    def add(self, samples: Iterable[tuple[float, float]], oldest: float) -> None:
        """Append (moment, value) pairs later than the last; drop those before `oldest`."""
        for at, value in samples:
            if at >= oldest and (not self._times or at > self._times[-1]):
                self._times.append(at)
                self._values.append(value)
        while self._times and self._times[0] < oldest:
            self._times.popleft()
            self._values.popleft()
        self._series = None

    def series(self) -> Series:
        """Return the samples; the same object until the next `add`."""
        if self._series is None:
            self._series = Series(tuple(self._times), tuple(self._values))
        return self._series


class NodeHistory:
    """What one node told: of itself and, while it is urgent, of its pods."""

    def __init__(self) -> None:
        self.node = Track()
        self.pods: dict[str, Track] = {}

    def add(
        self,
        received: float,
        keep: float,
        newest: tuple[float, float],
        samples: Samples,
        pods: Iterable[tuple[str, tuple[float, float], Samples]],
    ) -> None:
        """Take one report in.

        Args:
            received: when it came [s].
            keep: how far back samples are kept [s].
            newest: age [s] and value [bytes] of the newest sample.
            samples: (age, bytes), the oldest first.
            pods: uid, newest and samples of each pod there is; others are forgotten.
        """
        oldest = received - keep
        self.node.add(_moments(received, samples, newest), oldest)
        seen = set()
        for uid, last, told in pods:
            seen.add(uid)
            track = self.pods.setdefault(uid, Track())
            track.add(_moments(received, told, last), oldest)
        for uid in self.pods.keys() - seen:
            del self.pods[uid]


def _moments(
    received: float, samples: Samples, newest: tuple[float, float]
) -> Iterable[tuple[float, float]]:
    told = samples or (newest,)
    return ((received - age, value) for age, value in told)
