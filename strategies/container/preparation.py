"""How long both nodes are prepared, which a move that freezes first adds to its freeze. Pure.

From this cluster's own finished moves, whether they froze first or not: from the start until the
target was ready; a prior until there are enough of them. Never looks at the memory: nothing
travels meanwhile.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from podferry.api.migration import Prediction
from podferry.strategies.container.moves import MoveRecord

MOVES_NEEDED = 5
NEWEST_MOVES = 50
PRIOR_SECONDS = (2.0, 5.0)
"""Median and 95th percentile; docs/decisions/0016 says where they come from [s]."""
LEAST_BUDGET_SECONDS = 0.001


def lengthen(prediction: Prediction, history: tuple[MoveRecord, ...]) -> Prediction:
    """Return the prediction of a move that freezes first; its total is that of any other."""
    middle, high = expected(history)
    return replace(
        prediction,
        freeze_p50_seconds=round(prediction.freeze_p50_seconds + middle, 3),
        freeze_p95_seconds=round(prediction.freeze_p95_seconds + high, 3),
    )


def left_of(budget_seconds: float, history: tuple[MoveRecord, ...]) -> float:
    """What a budget of the freeze leaves for dump and restore [s]."""
    return round(max(LEAST_BUDGET_SECONDS, budget_seconds - expected(history)[1]), 3)


def expected(history: tuple[MoveRecord, ...]) -> tuple[float, float]:
    """Median and 95th percentile of the preparation [s]; `history`: the newest first."""
    found = sorted([one.prepare for one in history if one.prepare > 0][:NEWEST_MOVES])
    if len(found) < MOVES_NEEDED:
        return PRIOR_SECONDS
    return median(found), found[round(0.95 * (len(found) - 1))]
