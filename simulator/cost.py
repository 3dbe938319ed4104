"""What a move is expected to take: the cost that policies see, from the model of moves.

Owns the formula of `MoveModel`; the moves of a run take this times a drawn factor.
"""

from __future__ import annotations

from podferry.policies.vocabulary import MoveCost
from podferry.simulator.model import GIB, MoveModel, Strategy

NEVER = 1e9
"""Stands for a pre-copy that does not converge [s]."""


def cost_of(model: MoveModel, restart_delay: float, size: float) -> MoveCost:
    """Return what moving a pod of that size is expected to take."""
    carry = model.per_gib * size / GIB
    whole = model.seconds + carry
    slow = model.p95_of_p50
    if model.strategy is Strategy.COLD_RESTART:
        return MoveCost(restart_delay, model.prepare)
    if model.strategy is Strategy.CONTAINER:
        freeze = model.seconds if model.post_copy else whole
        return MoveCost(freeze, model.prepare + whole * slow)
    share = model.dirty_rate * model.per_gib / GIB
    if share >= 1.0:
        return MoveCost(model.downtime, NEVER)
    whole = model.seconds + carry / (1.0 - share)
    return MoveCost(model.downtime, model.prepare + whole * slow + model.downtime)
