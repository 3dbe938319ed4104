"""What moving a pod is expected to take, for the policies: from the model of this cluster. Pure."""

from __future__ import annotations

from datetime import datetime

from podferry.api.migration import CopyMode
from podferry.policies.vocabulary import MoveCost
from podferry.strategies.container import estimate
from podferry.strategies.container.finding import RawPod
from podferry.strategies.container.moves import MoveRecord

_STEP = 16 * 2**20
"""Sizes are rounded up to this, so that a look at thousands of pods asks the model seldom."""


class Costs:
    """The model as it is at one moment; asked often, fitted once a class of moves."""

    def __init__(self, history: tuple[MoveRecord, ...], now: datetime) -> None:
        self._models = {
            same_name: estimate.fit(CopyMode.STOP_AND_COPY, history, now, same_name=same_name)
            for same_name in (False, True)
        }
        self._known: dict[tuple[bool, int], MoveCost] = {}

    def of(self, pod: RawPod, size: float) -> MoveCost:
        """Return the cost of moving a pod of `size` bytes."""
        key = keeps_its_name(pod), -int(-size // _STEP)
        if key not in self._known:
            same_name, steps = key
            cost = self._models[same_name].cost(steps * _STEP)
            self._known[key] = MoveCost(cost.freeze_p50, cost.total_p95)
        return self._known[key]

    def source(self) -> str:
        """Where a Deployment's times come from, in words: prior or measured, n and age."""
        return self._models[False].source

    def moves(self) -> tuple[int, float | None]:
        """Return how many measured moves the model rests on, and how old the newest is [s]."""
        ages = [each.newest_age for each in self._models.values() if each.newest_age is not None]
        return sum(each.n for each in self._models.values()), min(ages, default=None)


def keeps_its_name(pod: RawPod) -> bool:
    """Whether the pod's replacement has its name: a StatefulSet's, or nobody's."""
    owners = pod["metadata"].get("ownerReferences") or []
    owner = next((one for one in owners if one.get("controller")), None)
    return owner is None or owner.get("kind") == "StatefulSet"
