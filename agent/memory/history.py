"""The latest samples of a node and of its pods, in memory of a fixed size.

A sample is one moment for the node and all its pods, so pods need no times of their own: 8 bytes a
sample and pod, 16 a sample of the node. With LENGTH samples and 110 pods that is 0.8 MB.
Owns: what was measured. Never does: read anything, know the time.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from podferry.agent.memory.cgroups import Reading

LENGTH = 900
"""Samples that are kept: 15 minutes at one a second."""
SLOPE_SECONDS = 15.0
"""A slope is the least squares line through the samples of so long [s]."""
_SLOPE_LEAST = 3
"""Fewer samples have no slope."""
UNREAD_MOST = 10
"""A pod whose files could not be read for so many samples is not told of any more."""


def _empty() -> array[float]:
    return array("d", [math.nan]) * LENGTH


@dataclass(slots=True)
class Pod:
    """One pod: its latest reading, and the working set at each sample (NaN: not read)."""

    first: float
    """Moment at which it was first seen."""
    seq: int
    """Of the latest reading."""
    reading: Reading
    values: array[float] = field(default_factory=_empty)


class History:
    """Samples by `seq`, from 0. Not safe to use from several threads without a lock."""

    def __init__(self) -> None:
        self.seq = -1
        self.came_or_went = -1
        """Of the latest sample at which a pod came or went."""
        self.pressure: tuple[float, float] | None = None
        self.pods: dict[str, Pod] = {}
        self._moments, self._used = _empty(), _empty()

    def add(
        self, moment: float, used: float, pods: Mapping[str, Reading | None], root: Reading
    ) -> None:
        """One sample. `pods`: all that there are; None: its files could not be read.

        `moment` is monotonic [s] and later than that of the sample before.
        """
        self.seq += 1
        slot = self.seq % LENGTH
        self._moments[slot], self._used[slot] = moment, used
        self.pressure = root.pressure
        for uid in self.pods.keys() - pods.keys():
            del self.pods[uid]
            self.came_or_went = self.seq
        for uid, reading in pods.items():
            self._add_pod(uid, moment, reading)

    def _add_pod(self, uid: str, moment: float, reading: Reading | None) -> None:
        pod = self.pods.get(uid)
        if reading is None:
            if pod is not None:
                pod.values[self.seq % LENGTH] = math.nan
                if self.seq - pod.seq > UNREAD_MOST:
                    del self.pods[uid]
                    self.came_or_went = self.seq
            return
        if pod is None:
            pod = self.pods[uid] = Pod(moment, self.seq, reading)
            self.came_or_went = self.seq
        pod.seq, pod.reading = self.seq, reading
        pod.values[self.seq % LENGTH] = reading.working_set

    def has(self, seq: int) -> bool:
        """Whether that sample is still kept."""
        return max(0, self.seq - LENGTH + 1) <= seq <= self.seq

    def moment(self, seq: int) -> float:
        """When it was taken, monotonic [s]."""
        return self._moments[seq % LENGTH]

    def used(self, seq: int) -> float:
        """Capacity - available [bytes]."""
        return self._used[seq % LENGTH]

    def node(self, after: int, since: float) -> Iterator[tuple[float, float]]:
        """(moment, used) of the samples later than `after` and not before the moment `since`."""
        return self._samples(self._used, after, since)

    def of(self, pod: Pod, after: int, since: float) -> Iterator[tuple[float, float]]:
        """As `node`, the working set of a pod; samples that could not be read are left out."""
        return self._samples(pod.values, after, since)

    def slope(self, seq: int) -> float:
        """Of `used` over the SLOPE_SECONDS before a sample [bytes/s]; 0 of too few samples."""
        return self._slope(self._used, seq)

    def slope_of(self, pod: Pod) -> float:
        """As `slope`, the working set of a pod now."""
        return self._slope(pod.values, self.seq)

    def _samples(
        self, values: array[float], after: int, since: float
    ) -> Iterator[tuple[float, float]]:
        for seq in range(max(after + 1, self.seq - LENGTH + 1, 0), self.seq + 1):
            slot = seq % LENGTH
            if self._moments[slot] >= since and not math.isnan(values[slot]):
                yield self._moments[slot], values[slot]

    def _slope(self, values: array[float], seq: int) -> float:
        last = self.moment(seq)
        oldest = max(0, self.seq - LENGTH + 1)
        count, sum_x, sum_y, sum_xx, sum_xy = 0, 0.0, 0.0, 0.0, 0.0
        for each in range(seq, oldest - 1, -1):
            slot = each % LENGTH
            x, y = self._moments[slot] - last, values[slot]
            if x < -SLOPE_SECONDS:
                break
            if not math.isnan(y):
                count, sum_x, sum_y = count + 1, sum_x + x, sum_y + y
                sum_xx, sum_xy = sum_xx + x * x, sum_xy + x * y
        spread = count * sum_xx - sum_x * sum_x
        return (
            (count * sum_xy - sum_x * sum_y) / spread if count >= _SLOPE_LEAST and spread else 0.0
        )
