"""Which copy mode a move uses, and why. Pure.

Owns the choice behind `copy: Auto`. StopAndCopy is preferred because it has no window in which the
loss of either node loses the workload; PostCopy has one, so only a budget makes us choose it.
"""

from __future__ import annotations

from datetime import datetime

from podferry.api.migration import CopyMode
from podferry.strategies.container.estimate import predict
from podferry.strategies.container.moves import MoveRecord


def choose_copy(
    *,
    copy: CopyMode,
    max_freeze_seconds: float | None,
    resident_bytes: int,
    file_bytes: int = 0,
    history: tuple[MoveRecord, ...],
    now: datetime,
    same_name: bool = False,
    post_copy_refused: str = "",
) -> tuple[CopyMode, str]:
    """Return the copy mode and the reason for it, in words.

    Args:
        copy: what the user asked for.
        max_freeze_seconds: the user's budget [s], None for none.
        resident_bytes: memory that has to travel.
        file_bytes: files that have to travel in the freeze, whatever the mode.
        history: finished moves, for the predictions.
        now: the wall time, aware.
        same_name: the pod keeps its name, so its image is restored twice; longer in either mode.
        post_copy_refused: why these nodes cannot do PostCopy, or empty.
    """
    if copy is not CopyMode.AUTO:
        return copy, f"{copy.value} was asked for"
    stop, post = (
        predict(
            copy=mode,
            resident_bytes=resident_bytes,
            file_bytes=file_bytes,
            history=history,
            now=now,
            same_name=same_name,
        )
        for mode in (CopyMode.STOP_AND_COPY, CopyMode.POST_COPY)
    )
    stop_text = f"predicted p95 freeze {stop.freeze_p95_seconds:.2f} s, {stop.source}"
    if max_freeze_seconds is None:
        return CopyMode.STOP_AND_COPY, (
            f"StopAndCopy is the safer mode and no maxFreezeSeconds is set ({stop_text})"
        )
    budget = f"maxFreezeSeconds {max_freeze_seconds:g} s"
    if stop.freeze_p95_seconds <= max_freeze_seconds:
        return CopyMode.STOP_AND_COPY, f"StopAndCopy fits {budget} ({stop_text})"
    if post_copy_refused:
        return CopyMode.STOP_AND_COPY, (
            f"StopAndCopy does not fit {budget} ({stop_text}), but {post_copy_refused}"
        )
    if post.freeze_p95_seconds <= max_freeze_seconds:
        return CopyMode.POST_COPY, (
            f"StopAndCopy does not fit {budget} ({stop_text}); PostCopy does (p95"
            f" {post.freeze_p95_seconds:.2f} s, {post.source})"
        )
    return CopyMode.STOP_AND_COPY, (
        f"neither StopAndCopy ({stop_text}) nor PostCopy (p95 {post.freeze_p95_seconds:.2f} s,"
        f" {post.source}) fits {budget}"
    )
