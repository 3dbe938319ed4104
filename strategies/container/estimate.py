"""How long a move will freeze the workload, and in all; from this cluster's own finished moves.

Owns the model `freeze = a + b * bytes` of each copy mode: a prior until enough moves were measured
here, then a robust fit (Theil-Sen) with the quantiles of its residuals. Times are seconds, sizes
are bytes. It never says that a move may happen (see `preflight`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations
from statistics import median, median_low

from podferry.api.migration import CopyMode, Prediction
from podferry.strategies.container.moves import MoveRecord

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
    around_p95: float
    """Preparation and release, 95th percentile [s]."""


# docs/explanation/predictions.md says where these come from.
_STOP = Prior(Line(0.4, 1.8), Line(1.2, 4.5), 8.0)
_STOP_KEPT_NAME = Prior(Line(1.0, 3.0), Line(2.4, 6.0), 3.0)
_POST = Prior(Line(0.4, 0.1), Line(1.2, 0.3), 25.0)
_POST_KEPT_NAME = Prior(Line(1.3, 0.3), Line(2.6, 0.6), 20.0)


def prior(copy: CopyMode, *, same_name: bool = False) -> Prior:
    """Return the prior; a pod that keeps its name is restored twice, its sandbox made meanwhile."""
    if copy is CopyMode.POST_COPY:
        return _POST_KEPT_NAME if same_name else _POST
    return _STOP_KEPT_NAME if same_name else _STOP


@dataclass(frozen=True, slots=True)
class Cost:
    """What moving a workload is expected to take, and how much is known of that."""

    freeze_p50: float
    freeze_p95: float
    total_p95: float
    """From the request until the source's memory is free: 95 of 100 moves take less [s]."""
    source: str
    """`prior (...)` or `measured (n=..., newest ... old)`."""
    n: int
    """Measured moves of this class, the newest NEWEST_MOVES at most."""
    newest_age: float | None
    """Of the newest of them [s]; None: there is none."""


@dataclass(frozen=True, slots=True)
class Model:
    """What is expected of one class of moves; asked for any size without another fit."""

    p50: Line
    p95: Line | None
    """None: `p95_of_p50` times the median."""
    p95_of_p50: float
    around: float
    """Preparation and release, median [s]."""
    around_p95: float
    source: str
    n: int
    newest_age: float | None

    def freeze(self, size: int) -> tuple[float, float]:
        """Return median and 95th percentile for `size` bytes [s]."""
        p50 = self.p50.at(size)
        return p50, p50 * self.p95_of_p50 if self.p95 is None else self.p95.at(size)

    def cost(self, size: int) -> Cost:
        """Return the cost of moving `size` bytes."""
        p50, p95 = self.freeze(size)
        total = p95 + self.around_p95
        return Cost(
            round(p50, 3), round(p95, 3), round(total, 3), self.source, self.n, self.newest_age
        )


def predict(
    *,
    copy: CopyMode,
    resident_bytes: int,
    file_bytes: int = 0,
    history: tuple[MoveRecord, ...],
    now: datetime,
    same_name: bool = False,
) -> Prediction:
    """Predict the move of `resident_bytes` by `copy`.

    Args:
        copy: StopAndCopy or PostCopy; a mode without a prior is treated as StopAndCopy.
        resident_bytes: memory that has to travel, >= 0.
        file_bytes: files of the pod, >= 0; they travel in the freeze, whatever the mode.
        history: finished moves of any class, see `moves.records`.
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
    history: tuple[MoveRecord, ...],
    now: datetime,
    *,
    same_name: bool,
) -> Prediction:
    model = fit(copy, history, now, same_name=same_name)
    p50, p95 = model.freeze(size)
    return _prediction(p50, p95, model.around, size=size, source=model.source)


def fit(
    copy: CopyMode, history: tuple[MoveRecord, ...], now: datetime, *, same_name: bool = False
) -> Model:
    """Return the model of a class of moves. Arguments as of `predict`."""
    expected = prior(copy, same_name=same_name)
    moves = _moves(history, copy, same_name=same_name)
    newest = (now - moves[0].completed_at).total_seconds() if moves else None
    if newest is None or len(moves) < MOVES_NEEDED:
        return Model(
            p50=expected.p50,
            p95=expected.p95,
            p95_of_p50=0.0,
            around=AROUND_FREEZE_SECONDS,
            around_p95=expected.around_p95,
            source=f"prior ({len(moves)} moves measured, {MOVES_NEEDED} needed)",
            n=len(moves),
            newest_age=newest,
        )
    line = _fit(moves, per_gib=expected.p50.per_gib)
    usual = median_low(move.bytes for move in moves)
    doubt = expected.p95.at(usual) / expected.p50.at(usual)
    around = [max(0.0, move.total - move.freeze) for move in moves]
    return Model(
        p50=line,
        p95=None,
        p95_of_p50=_p95_of_p50([move.freeze / line.at(move.bytes) for move in moves], doubt),
        around=median(around),
        around_p95=_p95_around(around, expected.around_p95),
        source=f"measured (n={len(moves)}, newest {_age(newest)} old)",
        n=len(moves),
        newest_age=newest,
    )


def _p95_around(seconds: list[float], doubt: float) -> float:
    """The 95th percentile of preparation and release; with few moves the prior is one more."""
    few = len(seconds) < QUANTILE_COUNT
    return _quantile([*seconds, doubt] if few else seconds, 0.95)


def _prediction(p50: float, p95: float, around: float, *, size: int, source: str) -> Prediction:
    return Prediction(
        freeze_p50_seconds=round(p50, 3),
        freeze_p95_seconds=round(p95, 3),
        total_seconds=round(p50 + around, 3),
        bytes=size,
        source=source,
    )


def _moves(history: tuple[MoveRecord, ...], copy: CopyMode, *, same_name: bool) -> list[MoveRecord]:
    """Moves of this mode and kind, the newest first."""
    found = [one for one in history if one.same_name is same_name and one.copy == copy.value]
    found.sort(key=lambda move: move.completed_at, reverse=True)
    return found[:NEWEST_MOVES]


def _fit(moves: list[MoveRecord], *, per_gib: float) -> Line:
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
