"""How long a move will freeze the workload, and in all; from this cluster's own finished moves.

Owns the model `freeze = a + b * bytes` of each copy mode: a prior until enough moves were measured
here, then a robust fit (Theil-Sen) with the quantiles of its residuals. Times are seconds, sizes
are bytes. It never says that a move may happen (see `preflight`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import combinations
from statistics import median, median_low

from podferry.api.migration import CopyMode, Migration, Prediction, keeps_name
from podferry.api.reasons import Phase

GIB = 2**30
MOVES_NEEDED = 5
"""Fewer measured moves than this say less than the prior."""
NEWEST_MOVES = 50
"""Only the newest moves count: nodes and networks change."""
AROUND_FREEZE_SECONDS = 3.0
"""Preparation, readiness and release around the freeze, where no move says otherwise."""
LEAST_FREEZE_SECONDS = 0.05
"""No fit may promise less: pause, dump and restore of an empty process take longer."""
LEAST_P95_OF_P50 = 1.15
"""A handful of equal moves does not prove that the next one is equal."""
WIDE_BYTES, WIDE_SHARE = 16 * 2**20, 0.25
"""Two moves say something of the slope if their sizes differ by this much and this share."""
QUANTILE_COUNT = 20
"""With fewer moves the largest of them alone would be the 95th percentile."""
STRAY_OF_NEXT = 2.0
"""A move that took so many times what the next longest took is a stray one."""


@dataclass(frozen=True, slots=True)
class Line:
    """Freeze: `seconds + per_gib * GiB`."""

    seconds: float
    per_gib: float

    def at(self, size: int) -> float:
        """Return the seconds for `size` bytes."""
        return max(LEAST_FREEZE_SECONDS, self.seconds + self.per_gib * size / GIB)


@dataclass(frozen=True, slots=True)
class Prior:
    """What is expected of a class of moves before any was measured here."""

    p50: Line
    p95: Line


# docs/explanation/predictions.md says where these come from.
_STOP = Prior(Line(0.4, 1.8), Line(1.2, 4.5))
_STOP_KEPT_NAME = Prior(Line(1.0, 3.0), Line(2.4, 6.0))
_POST = Prior(Line(0.4, 0.1), Line(1.2, 0.3))
_POST_KEPT_NAME = Prior(Line(1.3, 0.3), Line(2.6, 0.6))


def prior(copy: CopyMode, *, same_name: bool = False) -> Prior:
    """Return the prior; a pod that keeps its name is restored twice, its sandbox made meanwhile."""
    if copy is CopyMode.POST_COPY:
        return _POST_KEPT_NAME if same_name else _POST
    return _STOP_KEPT_NAME if same_name else _STOP


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
    file_bytes: int = 0,
    history: tuple[Migration, ...],
    now: datetime,
    same_name: bool = False,
) -> Prediction:
    """Predict the move of `resident_bytes` by `copy`.

    Args:
        copy: StopAndCopy or PostCopy; a mode without a prior is treated as StopAndCopy.
        resident_bytes: memory that has to travel, >= 0.
        file_bytes: files of the pod, >= 0; they travel in the freeze, whatever the mode.
        history: finished Migrations; others and those without measurements are ignored.
        now: the wall time, aware; only for the age in `source`.
        same_name: the replacement keeps the pod's name; such moves are a class of their own.

    Raises:
        ValueError: a size is negative.
    """
    if min(resident_bytes, file_bytes) < 0:
        raise ValueError(
            f"resident_bytes is {resident_bytes}, file_bytes {file_bytes}; memory is never negative"
        )
    if copy is not CopyMode.POST_COPY:
        # One link, one disk: files beside the memory are as good as more memory.
        return _predict(copy, resident_bytes + file_bytes, history, now, same_name=same_name)
    found = _predict(copy, resident_bytes, history, now, same_name=same_name)
    p50, p95 = (line.per_gib * file_bytes / GIB for line in (_STOP.p50, _STOP.p95))
    return replace(
        found,
        freeze_p50_seconds=round(found.freeze_p50_seconds + p50, 3),
        freeze_p95_seconds=round(found.freeze_p95_seconds + p95, 3),
        total_seconds=round(found.total_seconds + p50, 3),
    )


def _predict(
    copy: CopyMode,
    size: int,
    history: tuple[Migration, ...],
    now: datetime,
    *,
    same_name: bool,
) -> Prediction:
    expected = prior(copy, same_name=same_name)
    moves = _moves(history, copy, same_name=same_name)
    if len(moves) < MOVES_NEEDED:
        p50, p95 = expected.p50.at(size), expected.p95.at(size)
        source = f"prior ({len(moves)} moves measured, {MOVES_NEEDED} needed)"
        return _prediction(p50, p95, AROUND_FREEZE_SECONDS, size=size, source=source)
    line = _fit(moves, per_gib=expected.p50.per_gib)
    p50 = line.at(size)
    usual = median_low(move.bytes for move in moves)
    doubt = expected.p95.at(usual) / expected.p50.at(usual)
    p95 = p50 * _p95_of_p50([move.freeze / line.at(move.bytes) for move in moves], doubt)
    around = median(max(0.0, move.total - move.freeze) for move in moves)
    age = _age((now - moves[0].completed_at).total_seconds())
    source = f"measured (n={len(moves)}, newest {age} old)"
    return _prediction(p50, p95, around, size=size, source=source)


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
    """The line through the medians; more memory never takes less time, so it never falls.

    Moves of about one size, or with one move alone at another size, say nothing of the slope, which
    then is that of the prior (`per_gib`).
    """
    pairs = combinations(enumerate(moves), 2)
    wide = [(a, b) for a, b in pairs if _far(a[1].bytes, b[1].bytes)]
    in_all = set.intersection(*({a[0], b[0]} for a, b in wide)) if wide else {0}
    if not in_all:
        slopes = [(b.freeze - a.freeze) / (b.bytes - a.bytes) * GIB for (_, a), (_, b) in wide]
        # The lower one of two in the middle: what goes wrong in a move makes it longer.
        per_gib = max(0.0, median_low(slopes))
    return Line(median(move.freeze - per_gib * move.bytes / GIB for move in moves), per_gib)


def _far(one: int, two: int) -> bool:
    return abs(one - two) >= max(WIDE_BYTES, WIDE_SHARE * max(one, two))


def _p95_of_p50(ratios: list[float], doubt: float) -> float:
    """The 95th percentile of measured by fitted; relative, because it is used for any size.

    Too few moves have no 95th percentile: one stray move is left out (two are not), and the prior
    counts as one more move, which took `doubt` times its median.
    """
    ordered = sorted(ratios)
    if len(ordered) < QUANTILE_COUNT:
        if ordered[-1] > STRAY_OF_NEXT * ordered[-2]:
            ordered.pop()
        ordered = sorted([*ordered, doubt])
    return max(LEAST_P95_OF_P50, _quantile(ordered, 0.95))


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
