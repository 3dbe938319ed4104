"""What a move is expected to take: the cost that policies see, from the model of moves.

Owns the formula of `MoveModel`; the moves of a run take this times a drawn factor.
"""

from __future__ import annotations

from collections.abc import Callable

from podferry.policies.vocabulary import MoveCost
from podferry.simulator.model import GIB, MoveModel, Strategy

NEVER = 1e9
"""Stands for a pre-copy that does not converge [s]."""


def cost_of(model: MoveModel, restart_delay: float, size: float) -> MoveCost:
    """Return what moving a pod of that size is expected to take."""
    return costs(model, restart_delay)(size)


def costs(model: MoveModel, restart_delay: float) -> Callable[[float], MoveCost]:
    """Return the function from a pod's size to what moving it is expected to take."""
    seconds, per_gib, slow, prepare = (
        model.seconds,
        model.per_gib,
        model.p95_of_p50,
        model.prepare,
    )

    def container(size: float) -> MoveCost:
        whole = seconds + per_gib * size / GIB
        return MoveCost(seconds if model.post_copy else whole, prepare + whole * slow)

    def machine(size: float) -> MoveCost:
        share = model.dirty_rate * per_gib / GIB
        if share >= 1.0:
            return MoveCost(model.downtime, NEVER)
        whole = seconds + per_gib * size / GIB / (1.0 - share)
        return MoveCost(model.downtime, prepare + whole * slow + model.downtime)

    if model.strategy is Strategy.COLD_RESTART:
        return lambda _: MoveCost(restart_delay, prepare)
    return container if model.strategy is Strategy.CONTAINER else machine
