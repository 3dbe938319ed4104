"""How long a move will freeze the workload, and in all; from this cluster's own finished moves.

Owns the model `freeze = a + b * bytes` of each copy mode: a prior measured on two cores until
enough moves were measured here, then a least-squares fit with the quantiles of its residuals.
Times are seconds, sizes are bytes. It never says that a move may happen (see `preflight`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from podferry.api.migration import CopyMode, Migration, Prediction, keeps_name
from podferry.api.reasons import Phase

GIB = 2**30
MOVES_NEEDED = 5
"""Fewer measured moves than this say less than the prior."""
NEWEST_MOVES = 100
"""Only the newest moves count: nodes and networks change."""
P95_OF_P50 = 1.6
"""95th percentile of the prior as a multiple of its median."""
AROUND_FREEZE_SECONDS = 3.0
"""Preparation, readiness and release around the freeze, where no move says otherwise."""
KEPT_NAME_SECONDS = 0.9
"""A pod that keeps its name is restored twice and gets its sandbox within the freeze."""
SPREAD_NEEDED = 1e-3
"""Sum of squared distances of the sizes from their mean [GiB^2], below which there is no slope."""
LEAST_FREEZE_SECONDS = 0.05
"""No fit may promise less: pause, dump and restore of an empty process take longer."""


@dataclass(frozen=True, slots=True)
class Line:
    """Freeze at the median: `seconds + per_gib * GiB`."""

    seconds: float
    per_gib: float

    def at(self, size: int) -> float:
        """Return the seconds for `size` bytes."""
        return self.seconds + self.per_gib * size / GIB


PRIORS: dict[CopyMode, Line] = {
    # The stream is encrypted, which costs about 0.6 s/GiB on two cores (decision 0003).
    CopyMode.STOP_AND_COPY: Line(0.45, 2.5),
    CopyMode.POST_COPY: Line(0.55, 0.0),
}


@dataclass(frozen=True, slots=True)
class _Move:
    """One finished move: what the fit needs of it."""

    bytes: int
    freeze: float
    total: float
    completed_at: datetime


def predict(
    *,
    copy: CopyMode,
    resident_bytes: int,
    history: tuple[Migration, ...],
    now: datetime,
    same_name: bool = False,
) -> Prediction:
    """Predict the move of `resident_bytes` by `copy`.

    Args:
        copy: StopAndCopy or PostCopy; a mode without a prior is treated as StopAndCopy.
        resident_bytes: memory that has to travel, >= 0.
        history: finished Migrations; others and those without measurements are ignored.
        now: the wall time, aware; only for the age in `source`.
        same_name: the replacement keeps the pod's name; such moves are a class of their own.

    Raises:
        ValueError: `resident_bytes` is negative.
    """
    if resident_bytes < 0:
        raise ValueError(f"resident_bytes is {resident_bytes}; memory is never negative")
    moves = _moves(history, copy, same_name=same_name)
    if len(moves) < MOVES_NEEDED:
        p50 = PRIORS.get(copy, PRIORS[CopyMode.STOP_AND_COPY]).at(resident_bytes)
        p50 += KEPT_NAME_SECONDS if same_name else 0.0
        source = f"prior ({len(moves)} moves measured, {MOVES_NEEDED} needed)"
        return _prediction(
            p50, p50 * P95_OF_P50, AROUND_FREEZE_SECONDS, size=resident_bytes, source=source
        )
    line = _fit(moves, per_gib=PRIORS.get(copy, PRIORS[CopyMode.STOP_AND_COPY]).per_gib)
    residuals = [move.freeze - line.at(move.bytes) for move in moves]
    p50 = max(LEAST_FREEZE_SECONDS, line.at(resident_bytes) + _quantile(residuals, 0.5))
    p95 = max(p50, line.at(resident_bytes) + _quantile(residuals, 0.95))
    around = _quantile([max(0.0, move.total - move.freeze) for move in moves], 0.5)
    age = _age((now - moves[0].completed_at).total_seconds())
    source = f"fitted (n={len(moves)}, newest {age} old)"
    return _prediction(p50, p95, around, size=resident_bytes, source=source)


def _prediction(p50: float, p95: float, around: float, *, size: int, source: str) -> Prediction:
    return Prediction(
        freeze_p50_seconds=round(p50, 3),
        freeze_p95_seconds=round(p95, 3),
        total_seconds=round(p50 + around, 3),
        bytes=size,
        source=source,
    )


def _moves(history: tuple[Migration, ...], copy: CopyMode, *, same_name: bool) -> list[_Move]:
    """Measured, succeeded moves of this mode and kind, the newest first."""
    found = []
    for migration in history:
        status = migration.status
        measured, completed = status.measured, _parse(status.completed_at)
        if measured is None or completed is None or measured.freeze_seconds <= 0:
            continue
        if keeps_name(status.owner) is not same_name:
            continue
        if status.phase == Phase.SUCCEEDED.value and status.copy == copy.value:
            # What was known beforehand is what the next prediction will be made from.
            size = status.prediction.bytes if status.prediction else measured.bytes
            total = measured.total_seconds
            found.append(_Move(size, measured.freeze_seconds, total, completed))
    found.sort(key=lambda move: move.completed_at, reverse=True)
    return found[:NEWEST_MOVES]


def _parse(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _fit(moves: list[_Move], *, per_gib: float) -> Line:
    """Least squares; more memory never takes less time, so a falling line becomes a flat one.

    Moves of one size say nothing of the slope, which then is that of the prior (`per_gib`).
    """
    count = len(moves)
    mean_size = sum(move.bytes for move in moves) / count / GIB
    mean_freeze = sum(move.freeze for move in moves) / count
    spread = sum((move.bytes / GIB - mean_size) ** 2 for move in moves)
    if spread < SPREAD_NEEDED:
        return Line(mean_freeze - per_gib * mean_size, per_gib)
    joint = sum((move.bytes / GIB - mean_size) * (move.freeze - mean_freeze) for move in moves)
    slope = max(0.0, joint / spread)
    return Line(mean_freeze - slope * mean_size, slope)


def _quantile(values: list[float], share: float) -> float:
    """The value at that share, linear between neighbours."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _age(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
