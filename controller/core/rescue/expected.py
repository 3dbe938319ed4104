"""What moving a pod is expected to take, for the policies: from the model of this cluster. Pure."""

from __future__ import annotations

from datetime import datetime

from podferry.api.migration import CopyMode, Migration, Prediction
from podferry.policies.vocabulary import MoveCost
from podferry.strategies.container import estimate
from podferry.strategies.container.finding import RawPod

_STEP = 16 * 2**20
"""Sizes are rounded up to this, so that a look at thousands of pods asks the model seldom."""


class Costs:
    """The model as it is at one moment; asked often, fitted once a size."""

    def __init__(self, history: tuple[Migration, ...], now: datetime) -> None:
        self._history, self._now = history, now
        self._known: dict[tuple[bool, int], MoveCost] = {}

    def of(self, pod: RawPod, size: float) -> MoveCost:
        """Return the cost of moving a pod of `size` bytes."""
        key = keeps_its_name(pod), -int(-size // _STEP)
        if key not in self._known:
            told = self._predict(*key)
            wide = told.freeze_p95_seconds - told.freeze_p50_seconds
            self._known[key] = MoveCost(told.freeze_p50_seconds, told.total_seconds + wide)
        return self._known[key]

    def source(self) -> str:
        """Where a Deployment's times come from, in words: prior or measured, n and age."""
        return self._predict(False, 1).source

    def _predict(self, same_name: bool, steps: int) -> Prediction:
        return estimate.predict(
            copy=CopyMode.STOP_AND_COPY,
            resident_bytes=steps * _STEP,
            history=self._history,
            now=self._now,
            same_name=same_name,
        )


def keeps_its_name(pod: RawPod) -> bool:
    """Whether the pod's replacement has its name: a StatefulSet's, or nobody's."""
    owners = pod["metadata"].get("ownerReferences") or []
    owner = next((one for one in owners if one.get("controller")), None)
    return owner is None or owner.get("kind") == "StatefulSet"
